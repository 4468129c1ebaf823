//! What the guard against overload tells.

use prometheus_client::registry::Unit;

use super::families::{Families, Labels, Number, Samples};
use crate::overload::Reading;

impl Families {
    pub(super) fn overload(&mut self, reading: &Reading) {
        let shed = reading.shed.map(|(reason, count)| {
            let labels: Labels = vec![("reason".into(), reason.to_owned())];
            (labels, Number::Count(count))
        });
        let help = "Requests turned away, since there was too little memory or there were too many";
        self.add("sluice_requests_shed", help, None, Samples::Counter(shed.into()));
        let gauge = |value: u64| Samples::Gauge(vec![(Labels::new(), Number::Count(value))]);
        let help = "Memory in use, as the guard against overload sees it; 0 while it is off";
        self.add("sluice_overload_memory_used", help, Some(Unit::Bytes), gauge(reading.used));
        let help = "Memory that may be in use before requests are turned away";
        self.add("sluice_overload_memory_limit", help, Some(Unit::Bytes), gauge(reading.limit));
        let help = "Whether requests are turned away since too much memory is in use";
        self.add("sluice_overload_memory_full", help, None, gauge(u64::from(reading.is_full)));
    }
}
