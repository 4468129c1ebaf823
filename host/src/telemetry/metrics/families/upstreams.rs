//! What there is to tell of clusters and their endpoints.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prometheus_client::registry::Unit;

use super::super::series::Histogram;
use super::super::{EndpointSample, Metrics};
use super::{Families, Labels, Number, Samples};

impl Families {
    pub(super) fn clusters(&mut self, metrics: &Metrics) {
        let (mut tries, mut durations, mut fallbacks) = (Vec::new(), Vec::new(), Vec::new());
        let (mut retries, mut ejections, mut overflows) = (Vec::new(), Vec::new(), Vec::new());
        let mut hedges = Vec::new();
        for (cluster, handle) in metrics.clusters.sorted() {
            for (outcome, histogram) in handle.tries.iter() {
                let labels = vec![("cluster".into(), cluster.to_string()), ("outcome".into(), outcome.to_owned())];
                let read = Histogram::read(histogram);
                tries.push((labels.clone(), Number::Count(read.count)));
                durations.push((labels, read));
            }
            fallbacks.push((vec![("cluster".into(), cluster.to_string())], Number::Count(handle.fallbacks.value())));
            let all = [
                (&handle.retries, "outcome", &mut retries),
                (&handle.ejections, "reason", &mut ejections),
                (&handle.overflows, "limit", &mut overflows),
                (&handle.hedges, "outcome", &mut hedges),
            ];
            for (series, label, samples) in all {
                for (value, counter) in series.iter() {
                    let labels = vec![("cluster".into(), cluster.to_string()), (label.into(), value.to_owned())];
                    samples.push((labels, Number::Count(counter.value())));
                }
            }
        }
        self.add(
            "sluice_cluster_retries",
            "Retries that were made, or that the budget or the limit didn't allow",
            None,
            Samples::Counter(retries),
        );
        let help = "Requests that took long and were sent to another endpoint too, or would have been";
        self.add("sluice_cluster_hedges", help, None, Samples::Counter(hedges));
        self.add("sluice_cluster_ejections", "Endpoints ejected as outliers", None, Samples::Counter(ejections));
        self.add(
            "sluice_cluster_overflows",
            "Requests, connections and retries that a limit of the cluster turned away",
            None,
            Samples::Counter(overflows),
        );
        self.add("sluice_upstream_requests", "Tries at endpoints that ended", None, Samples::Counter(tries));
        self.add(
            "sluice_upstream_request_duration",
            "Time of one try at an endpoint, to the head of its answer",
            Some(Unit::Seconds),
            Samples::Histogram(durations),
        );
        self.add(
            "sluice_balance_fallbacks",
            "Picks that a balance plugin left to the built-in policy by failing",
            None,
            Samples::Counter(fallbacks),
        );
    }

    pub(super) fn dns(&mut self, metrics: &Metrics) {
        let (mut lookups, mut current) = (Vec::new(), Vec::new());
        for (cluster, handle) in metrics.clusters.sorted() {
            let labels: Labels = vec![("cluster".into(), cluster.to_string())];
            let before = lookups.len();
            for (outcome, count) in handle.dns().outcomes() {
                lookups.push(([&labels[..], &[("outcome".into(), outcome.to_owned())]].concat(), Number::Count(count)));
            }
            // Of clusters that ask at all.
            if lookups.len() > before {
                current.push((labels, Number::Count(u64::from(handle.dns().read().state() == "current"))));
            }
        }
        let help = "Lookups of a cluster's endpoints in DNS that ended";
        self.add("sluice_cluster_dns_lookups", help, None, Samples::Counter(lookups));
        let help = "Whether the cluster's endpoints are what DNS told last; if not, they are older, or there are none";
        self.add("sluice_cluster_dns_current", help, None, Samples::Gauge(current));
    }

    pub(super) fn endpoints(&mut self, endpoints: &[EndpointSample]) {
        let mut states: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
        for endpoint in endpoints {
            *states.entry((&endpoint.cluster, endpoint.state)).or_default() += 1;
        }
        let states = states.into_iter().map(|((cluster, state), count)| {
            (vec![("cluster".into(), cluster.to_owned()), ("state".into(), state.to_owned())], Number::Count(count))
        });
        let states = Samples::Gauge(states.collect());
        self.add("sluice_cluster_endpoints", "Endpoints of the cluster in each state", None, states);
        let labels = |endpoint: &EndpointSample| -> Labels {
            vec![("cluster".into(), endpoint.cluster.to_string()), ("endpoint".into(), endpoint.address.clone())]
        };
        // An address that a cluster lists twice is one endpoint here: a series must not occur twice.
        let mut seen: HashMap<(&Arc<str>, &str), usize> = HashMap::new();
        let mut once: Vec<(&EndpointSample, u64)> = Vec::new();
        for endpoint in endpoints {
            let place = *seen.entry((&endpoint.cluster, &endpoint.address)).or_insert(once.len());
            match once.get_mut(place) {
                Some((_, in_flight)) => *in_flight += u64::from(endpoint.in_flight),
                None => once.push((endpoint, endpoint.in_flight.into())),
            }
        }
        let in_flight = once.iter().map(|(endpoint, sum)| (labels(endpoint), Number::Count(*sum)));
        let help = "Requests sent to the endpoint that haven't ended";
        self.add("sluice_endpoint_requests_in_flight", help, None, Samples::Gauge(in_flight.collect()));
        let of_each = |value: fn(&EndpointSample) -> Number| -> Vec<(Labels, Number)> {
            once.iter().map(|(endpoint, _)| (labels(endpoint), value(endpoint))).collect()
        };
        let healthy = of_each(|endpoint| Number::Count(endpoint.healthy.into()));
        let help = "Whether health checks find the endpoint well";
        self.add("sluice_endpoint_healthy", help, None, Samples::Gauge(healthy));
        let drained = of_each(|endpoint| Number::Count(endpoint.drained.into()));
        let help = "Whether an operator has taken the endpoint out";
        self.add("sluice_endpoint_drained", help, None, Samples::Gauge(drained));
        let weights = of_each(|endpoint| Number::Count(endpoint.weight.into()));
        self.add("sluice_endpoint_weight", "The endpoint's weight", None, Samples::Gauge(weights));
        let latency = of_each(|endpoint| Number::Real(endpoint.latency_us as f64 / 1e6));
        let help = "Moving average of the time to the head of the endpoint's answers; 0 if unknown";
        self.add("sluice_endpoint_latency", help, Some(Unit::Seconds), Samples::Gauge(latency));
        let requests = of_each(|endpoint| Number::Count(endpoint.requests));
        let help = "Tries at the endpoint since it is known";
        self.add("sluice_endpoint_requests", help, None, Samples::Counter(requests));
        let failures = of_each(|endpoint| Number::Count(endpoint.failed));
        let help = "Tries at the endpoint that failed by its fault";
        self.add("sluice_endpoint_failures", help, None, Samples::Counter(failures));
    }
}
