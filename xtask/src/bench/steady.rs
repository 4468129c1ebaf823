//! Requests at a fixed rate. A request's time counts from when it was due, not from when it could be sent, so that a
//! proxy that holds up the next requests is charged for them (what wrk2 calls coordinated omission).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Connections, each with a thread: so many that one is free when a request is due.
const CONNECTIONS: u32 = 128;

/// What came of it.
#[derive(Debug, Default)]
pub struct Steady {
    /// Of every answer, in order of length.
    times: Vec<Duration>,
    /// Answers with another status than 200.
    pub wrong: u64,
}

/// Send `rate` requests each second for so long.
///
/// # Errors
/// A connection breaks or an answer isn't HTTP.
pub fn run(port: u16, rate: u32, length: Duration) -> Result<Steady> {
    let begin = Instant::now() + Duration::from_millis(20);
    let interval = Duration::from_secs(1) * CONNECTIONS / rate;
    let results: Vec<Result<Steady>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let first = begin + Duration::from_secs(1) * number / rate;
                scope.spawn(move || connection(port, first, interval, begin + length))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread of the load ended")))
            .collect()
    });
    let mut all = Steady::default();
    for result in results {
        let one = result?;
        all.times.extend(one.times);
        all.wrong += one.wrong;
    }
    all.times.sort();
    Ok(all)
}

impl Steady {
    pub fn requests(&self) -> u64 {
        self.times.len() as u64
    }

    /// The time within which this share of the requests was answered, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (self.times.len() as f64 * share).ceil() as usize;
        self.times.get(rank.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

fn connection(port: u16, first: Instant, interval: Duration, end: Instant) -> Result<Steady> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("the proxy accepts no connection")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut steady = Steady::default();
    let mut due = first;
    while due < end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(b"GET /small HTTP/1.1\r\nhost: bench.test\r\naccept: */*\r\nuser-agent: steady/1\r\n\r\n")?;
        let status = answer(&mut reader)?;
        steady.times.push(due.elapsed());
        steady.wrong += u64::from(status != 200);
        due += interval;
    }
    Ok(steady)
}

/// Read an answer to its end; its status.
fn answer(reader: &mut BufReader<TcpStream>) -> Result<u16> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status =
        line.split(' ').nth(1).and_then(|word| word.parse().ok()).with_context(|| format!("no answer: {line:?}"))?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse()?,
            Some(_) => {}
            None => break,
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_times() {
        let times = (1..=100).map(Duration::from_millis).collect();
        let steady = Steady { times, wrong: 0 };
        assert_eq!(steady.quantile(0.5), 50.0);
        assert_eq!(steady.quantile(0.99), 99.0);
        assert_eq!(steady.quantile(1.0), 100.0);
        assert_eq!(Steady::default().quantile(0.99), 0.0);
    }

    #[test]
    fn an_endpoint_counts_and_fails_as_told() {
        let endpoint = crate::bench::endpoint::Endpoint::start(Duration::ZERO).unwrap();
        let well = run(endpoint.port(), 1_280, Duration::from_millis(100)).unwrap();
        assert_eq!((well.requests(), well.wrong), (128, 0));
        assert_eq!(endpoint.take_requests(), 128);
        endpoint.fail(true);
        let failed = run(endpoint.port(), 1_280, Duration::from_millis(100)).unwrap();
        assert_eq!(failed.wrong, 128);
    }
}
