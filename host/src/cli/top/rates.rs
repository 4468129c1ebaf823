//! From counts to rates: what happened between two readings of a gateway. Pure.

use std::cmp::Reverse;

use clap::ValueEnum;
use serde_json::Value;

/// Outcomes of a plugin's calls that are its failures.
const FAILURES: [&str; 8] = ["trap", "time", "deadline", "memory", "failed", "invalid-result", "busy", "unavailable"];

/// What rows are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// What happens most often
    #[default]
    Rate,
    /// What fails most often
    Errors,
    /// What takes longest
    Time,
    Name,
}

/// What was read last.
#[derive(Debug, Default)]
pub struct Board {
    bounds: Vec<f64>,
    last: Option<Value>,
}

/// What happened since, for one moment.
#[derive(Debug, Default)]
pub struct View {
    pub total: Flow,
    pub routes: Vec<(String, Flow)>,
    pub plugins: Vec<(String, Cost)>,
    pub endpoints: Vec<Endpoint>,
}

/// Requests of a route, or of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    /// A second.
    pub rate: f64,
    /// Answers of 400 to 499, and from 500 on, a second.
    pub refused: f64,
    pub failed: f64,
    /// Seconds, as upper bounds; none without requests.
    pub median: Option<f64>,
    pub slow: Option<f64>,
}

/// Calls of a plugin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    pub rate: f64,
    pub failed: f64,
    /// Seconds that one call computed, on average; none without calls.
    pub each: Option<f64>,
    /// Of one core.
    pub share: f64,
    pub instances: u64,
    pub memory: u64,
}

/// One endpoint of a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Endpoint {
    pub cluster: String,
    pub address: String,
    pub state: String,
    pub rate: f64,
    pub failed: f64,
    pub in_flight: u64,
    /// Seconds; a moving average.
    pub latency: f64,
}

impl Board {
    /// Take the bounds of histograms from what was sent first.
    pub fn bounds(&mut self, history: &Value) {
        self.bounds = history["bounds"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    }

    /// What happened since the last reading; none at the first.
    pub fn numbers(&mut self, now: &Value, sort: Sort) -> Option<View> {
        let before = self.last.replace(now.clone())?;
        let seconds = (number(&now["at"]) - number(&before["at"])) / 1000.0;
        if seconds <= 0.0 {
            return None;
        }
        let mut view = View { total: self.flow(&before["total"], &now["total"], seconds), ..View::default() };
        for (name, own) in entries(&now["routes"]) {
            view.routes.push((name.clone(), self.flow(&before["routes"][name], own, seconds)));
        }
        for (name, own) in entries(&now["plugins"]) {
            view.plugins.push((name.clone(), cost(&before["plugins"][name], own, seconds)));
        }
        for cluster in items(&now["clusters"]) {
            let old = items(&before["clusters"]).find(|old| old["name"] == cluster["name"]).unwrap_or(&Value::Null);
            for own in items(&cluster["endpoints"]) {
                let old = items(&old["endpoints"]).find(|old| old["address"] == own["address"]).unwrap_or(&Value::Null);
                view.endpoints.push(endpoint(&cluster["name"], old, own, seconds));
            }
        }
        view.order(sort);
        Some(view)
    }

    fn flow(&self, before: &Value, now: &Value, seconds: f64) -> Flow {
        let classes = differences(&before["classes"], &now["classes"]);
        let buckets = differences(&before["buckets"], &now["buckets"]);
        let of = |class: usize| classes.get(class).copied().unwrap_or_default() / seconds;
        Flow {
            rate: classes.iter().sum::<f64>() / seconds,
            refused: of(4),
            failed: of(5),
            median: self.quantile(&buckets, 0.5),
            slow: self.quantile(&buckets, 0.99),
        }
    }

    /// The upper bound of the bucket that has the quantile; the greatest bound, if it is beyond.
    fn quantile(&self, buckets: &[f64], share: f64) -> Option<f64> {
        let wanted = buckets.iter().sum::<f64>() * share;
        let mut seen = 0.0;
        let reached = |count: &f64| {
            seen += count;
            wanted > 0.0 && seen >= wanted
        };
        let index = buckets.iter().position(reached)?;
        self.bounds.get(index).or(self.bounds.last()).copied()
    }
}

impl View {
    /// The first is what there is most of; names order what is equal.
    fn order(&mut self, sort: Sort) {
        let key = |value: f64| Reverse((value * 1e6) as u64);
        self.routes.sort_by_cached_key(|(name, flow)| {
            let value = [flow.rate, flow.failed, flow.slow.unwrap_or_default()];
            (pick(sort, value).map(key), name.clone())
        });
        self.plugins.sort_by_cached_key(|(name, cost)| {
            let value = [cost.rate, cost.failed, cost.each.unwrap_or_default()];
            (pick(sort, value).map(key), name.clone())
        });
        self.endpoints.sort_by_cached_key(|own| {
            let value = [own.rate, own.failed, own.latency];
            (own.cluster.clone(), pick(sort, value).map(key), own.address.clone())
        });
    }
}

/// By rate, errors or time; none where the name alone counts.
fn pick(sort: Sort, [rate, errors, time]: [f64; 3]) -> Option<f64> {
    match sort {
        Sort::Rate => Some(rate),
        Sort::Errors => Some(errors),
        Sort::Time => Some(time),
        Sort::Name => None,
    }
}

fn cost(before: &Value, now: &Value, seconds: f64) -> Cost {
    let count = |value: &Value, wanted: &dyn Fn(&str) -> bool| {
        let calls = items(&value["calls"]).filter(|call| wanted(call[1].as_str().unwrap_or_default()));
        calls.map(|call| number(&call[2])).sum::<f64>()
    };
    let since = |wanted: &dyn Fn(&str) -> bool| (count(now, wanted) - count(before, wanted)).max(0.0);
    let calls = since(&|_| true);
    let busy = (number(&now["busy"]) - number(&before["busy"])).max(0.0);
    Cost {
        rate: calls / seconds,
        failed: since(&|outcome| FAILURES.contains(&outcome)) / seconds,
        each: (calls > 0.0).then(|| busy / calls),
        share: busy / seconds,
        instances: now["instances"].as_u64().unwrap_or_default(),
        memory: now["peak_memory"].as_u64().unwrap_or_default(),
    }
}

fn endpoint(cluster: &Value, before: &Value, now: &Value, seconds: f64) -> Endpoint {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let since = |key: &str| (number(&now[key]) - number(&before[key])).max(0.0) / seconds;
    let state = match now["reason"].as_str() {
        Some(reason) => format!("{} ({reason})", text(&now["state"])),
        None => text(&now["state"]),
    };
    Endpoint {
        cluster: text(cluster),
        address: text(&now["address"]),
        state,
        rate: since("requests"),
        failed: since("failed"),
        in_flight: now["in_flight"].as_u64().unwrap_or_default(),
        latency: number(&now["latency_us"]) / 1e6,
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// What was added to each count; a gateway that started anew begins from nothing.
fn differences(before: &Value, now: &Value) -> Vec<f64> {
    let old = |index: usize| number(&before[index]);
    items(now).enumerate().map(|(index, count)| (number(count) - old(index)).max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading(at: u64, many: u64) -> Value {
        let traffic =
            json!({ "classes": [0, 0, many, 0, 2, many / 10], "buckets": [many, many / 10, 2], "seconds": 1 });
        json!({
            "at": at,
            "total": traffic,
            "routes": { "a": traffic, "b": { "classes": [0, 0, 1, 0, 0, 0], "buckets": [1, 0, 0] } },
            "plugins": { "keys": {
                "calls": [["authenticate", "identified", many], ["authenticate", "trap", many / 10]],
                "busy": many as f64 / 1e4, "instances": 3, "peak_memory": 2048,
            } },
            "clusters": [{ "name": "c", "endpoints": [
                { "address": "1.1.1.1:1", "state": "drained", "reason": "operator", "requests": many, "failed": 0, "in_flight": 4, "latency_us": 1500 },
            ] }],
        })
    }

    #[test]
    fn rates_are_of_what_was_added() {
        let mut board = Board::default();
        board.bounds(&json!({ "bounds": [0.001, 0.01] }));
        assert!(board.numbers(&reading(1000, 100), Sort::Rate).is_none());
        let view = board.numbers(&reading(3000, 300), Sort::Rate).unwrap();
        let flow = Flow { rate: 110.0, refused: 0.0, failed: 10.0, median: Some(0.001), slow: Some(0.01) };
        assert_eq!(view.total, flow);
        assert_eq!(view.routes[0], ("a".to_owned(), flow));
        assert_eq!((view.routes[1].1.rate, view.routes[1].1.median), (0.0, None));
        let (_, keys) = &view.plugins[0];
        assert_eq!((keys.rate, keys.failed, keys.instances), (110.0, 10.0, 3));
        assert!((keys.each.unwrap() - 0.02 / 220.0).abs() < 1e-9 && (keys.share - 0.01).abs() < 1e-9);
        assert_eq!((view.endpoints[0].rate, &*view.endpoints[0].state), (100.0, "drained (operator)"));
    }

    #[test]
    fn a_gateway_that_started_anew_counts_from_nothing() {
        let mut board = Board::default();
        board.numbers(&reading(1000, 300), Sort::Rate);
        let view = board.numbers(&reading(2000, 100), Sort::Rate).unwrap();
        assert_eq!((view.total.rate, view.plugins[0].1.rate), (0.0, 0.0));
    }

    #[test]
    fn anything_that_is_sent_is_borne() {
        let mut board = Board::default();
        for odd in [json!(null), json!([]), json!({ "at": 9000, "routes": [], "clusters": {}, "plugins": { "p": 1 } })]
        {
            board.bounds(&odd);
            board.numbers(&odd, Sort::Time);
        }
        assert!(board.numbers(&json!({ "at": 9500, "plugins": { "p": [] } }), Sort::Name).is_some());
    }
}
