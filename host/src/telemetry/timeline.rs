//! The traffic of the last minutes, so that whoever looks at the gateway now sees how it came to be so. Sums
//! over all routes alone: a fixed amount of memory, and nothing that the data path knows of.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::metrics::{Buckets, Classes, Metrics};

/// Between two points.
pub const INTERVAL: Duration = Duration::from_secs(2);
/// Points kept: ten minutes.
const MOST: usize = 300;

/// Counts since the start, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub at: SystemTime,
    pub classes: Classes,
    pub buckets: Buckets,
}

/// The last points of one gateway, the oldest first.
#[derive(Debug, Default)]
pub struct Timeline(Mutex<VecDeque<Point>>);

impl Timeline {
    /// Add a point now and then, for ever; drop the future to stop.
    pub async fn record(&self, metrics: &Metrics) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.add(SystemTime::now(), metrics);
        }
    }

    fn add(&self, at: SystemTime, metrics: &Metrics) {
        let traffic = metrics.traffic();
        let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if points.len() >= MOST {
            points.pop_front();
        }
        points.push_back(Point { at, classes: traffic.classes, buckets: traffic.buckets });
    }

    /// A copy of all points.
    pub fn points(&self) -> Vec<Point> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_points_with_all_routes_summed_up() {
        let (metrics, timeline) = (Metrics::new(), Timeline::default());
        metrics.route("a").record_get(http::StatusCode::OK, Duration::from_millis(1));
        metrics.route("b").record_get(http::StatusCode::NOT_FOUND, Duration::from_secs(60));
        for second in 0..MOST as u64 + 1 {
            timeline.add(SystemTime::UNIX_EPOCH + Duration::from_secs(second), &metrics);
        }
        let points = timeline.points();
        assert_eq!(points.len(), MOST);
        assert_eq!(points[0].at, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(points[0].classes, [0, 0, 1, 0, 1, 0]);
        assert_eq!((points[0].buckets.iter().sum::<u64>(), points[0].buckets.last()), (2, Some(&1)));
    }
}
