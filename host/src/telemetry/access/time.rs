//! Moments as text, in UTC. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::fields::digits::padded;

struct Civil {
    year: u64,
    month: usize,
    day: u64,
    /// Within the day.
    seconds: u64,
    millis: u32,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// From days to a date in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(at: SystemTime) -> Civil {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let part = (5 * day_of_year + 2) / 153;
    let month = if part < 10 { part + 3 } else { part - 9 };
    Civil {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month: usize::try_from(month).unwrap_or(1),
        day: day_of_year - (153 * part + 2) / 5 + 1,
        seconds,
        millis: since.subsec_millis(),
    }
}

/// `2026-11-24T09:26:44.123Z` (RFC 3339).
pub(super) fn rfc3339(at: SystemTime, out: &mut Vec<u8>) {
    let Civil { year, month, day, seconds, millis } = civil(at);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    padded(year, 4, out);
    for (mark, part) in [(b'-', month as u64), (b'-', day), (b'T', hour), (b':', minute), (b':', second)] {
        out.push(mark);
        padded(part, 2, out);
    }
    out.push(b'.');
    padded(millis.into(), 3, out);
    out.push(b'Z');
}

/// `24/Nov/2026:09:26:44 +0000`, as in the Common Log Format.
pub(super) fn common(at: SystemTime, out: &mut Vec<u8>) {
    let Civil { year, month, day, seconds, .. } = civil(at);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("Jan");
    padded(day, 2, out);
    out.push(b'/');
    out.extend_from_slice(month.as_bytes());
    out.push(b'/');
    padded(year, 4, out);
    for part in [hour, minute, second] {
        out.push(b':');
        padded(part, 2, out);
    }
    out.extend_from_slice(b" +0000");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(seconds: u64, write: fn(SystemTime, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn days_that_calendars_get_wrong() {
        assert_eq!(shown(0, rfc3339), "1970-01-01T00:00:00.007Z");
        assert_eq!(shown(951_782_400, rfc3339), "2000-02-29T00:00:00.007Z");
        assert_eq!(shown(1_709_251_199, rfc3339), "2024-02-29T23:59:59.007Z");
        assert_eq!(shown(4_107_542_400, rfc3339), "2100-03-01T00:00:00.007Z");
        assert_eq!(shown(1_795_512_404, common), "24/Nov/2026:09:26:44 +0000");
    }
}
