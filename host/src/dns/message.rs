//! Questions and answers on the wire (RFC 1035, section 4). Reads the three kinds of records that are asked for, and
//! passes over all others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::{self, Name};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses (RFC 3596).
    Aaaa,
    /// Where a service is (RFC 2782).
    Srv,
}

impl Kind {
    pub(super) fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

const CNAME: u16 = 5;
/// The class of the Internet.
const IN: u16 = 1;
/// Aliases followed from one to the next.
const MOST_ALIASES: usize = 16;

/// A record's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Address(IpAddr),
    Alias(Name),
    /// The target is none if the service isn't there (RFC 2782: a target of ".").
    Service {
        priority: u16,
        weight: u16,
        port: u16,
        target: Option<Name>,
    },
}

/// An answer to our question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// 0 if all is well, 3 if there is no such name.
    pub code: u8,
    /// There is more than fitted into the message.
    pub truncated: bool,
    /// Of the section for answers: owner, seconds to live, data.
    records: Vec<(Name, u32, Data)>,
}

/// Why a message is no answer to our question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It belongs to another question, or to nobody.
    Foreign,
    Malformed,
}

/// A question, which asks for recursion.
pub(super) fn question(id: u16, name: &Name, kind: Kind) -> Vec<u8> {
    let mut message = Vec::with_capacity(64);
    for word in [id, 0x0100, 1, 0, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    name.write(&mut message);
    message.extend_from_slice(&kind.code().to_be_bytes());
    message.extend_from_slice(&IN.to_be_bytes());
    message
}

/// Read the answer to the question with that id.
pub(super) fn read(message: &[u8], id: u16, name: &Name, kind: Kind) -> Result<Reply, Unusable> {
    let mut reader = Reader { message, at: 0 };
    let mut header = [0; 6];
    for word in &mut header {
        *word = reader.word().ok_or(Unusable::Foreign)?;
    }
    let [own_id, flags, questions, answers, ..] = header;
    let is_answer = flags & 0x8000 != 0;
    if own_id != id || !is_answer {
        return Err(Unusable::Foreign);
    }
    let (code, truncated) = ((flags & 0xf).to_be_bytes()[1], flags & 0x0200 != 0);
    if questions != 1 {
        // Some servers leave the question out when they fail; what they say can't do harm.
        return if code != 0 && code != 3 && questions == 0 {
            Ok(Reply { code, truncated: false, records: Vec::new() })
        } else {
            Err(Unusable::Foreign)
        };
    }
    let asked = reader.name().map_err(|()| Unusable::Foreign)?;
    if (asked.as_ref(), reader.word(), reader.word()) != (Some(name), Some(kind.code()), Some(IN)) {
        return Err(Unusable::Foreign);
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        match reader.record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => {}
            // The whole comes by another way.
            Err(()) if truncated => break,
            Err(()) => return Err(Unusable::Malformed),
        }
    }
    Ok(Reply { code, truncated, records })
}

impl Reply {
    /// The records of that kind for `name` or what it is an alias of, and the seconds that all of it holds.
    pub fn find(&self, name: &Name, kind: Kind) -> (Vec<&Data>, u32) {
        let (mut name, mut ttl) = (name, u32::MAX);
        let mut found = Vec::new();
        for _ in 0..=MOST_ALIASES {
            let mut alias = None;
            for (_, own, data) in self.records.iter().filter(|(owner, ..)| owner == name) {
                let fits = match (data, kind) {
                    (Data::Address(IpAddr::V4(_)), Kind::A) | (Data::Address(IpAddr::V6(_)), Kind::Aaaa) => true,
                    (Data::Service { .. }, Kind::Srv) => true,
                    (Data::Alias(other), _) => {
                        alias = Some((other, *own));
                        false
                    }
                    _ => false,
                };
                if fits {
                    ttl = ttl.min(*own);
                    found.push(data);
                }
            }
            match alias {
                Some((other, own)) if found.is_empty() => (name, ttl) = (other, ttl.min(own)),
                _ => break,
            }
        }
        (found, ttl)
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.message.get(self.at..self.at.checked_add(N)?)?;
        self.at += N;
        bytes.try_into().ok()
    }

    fn word(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn name(&mut self) -> Result<Option<Name>, ()> {
        let (name, end) = name::read(self.message, self.at)?;
        self.at = end;
        Ok(name)
    }

    /// None for one that isn't asked for.
    fn record(&mut self) -> Result<Option<(Name, u32, Data)>, ()> {
        let owner = self.name()?;
        let (kind, class) = (self.word().ok_or(())?, self.word().ok_or(())?);
        let ttl = self.take().map(u32::from_be_bytes).ok_or(())?;
        let length = usize::from(self.word().ok_or(())?);
        let end = self.at + length;
        if end > self.message.len() {
            return Err(());
        }
        let data = match kind {
            _ if class != IN => None,
            1 => Some(Data::Address(Ipv4Addr::from(self.take::<4>().ok_or(())?).into())),
            28 => Some(Data::Address(Ipv6Addr::from(self.take::<16>().ok_or(())?).into())),
            33 => {
                let mut word = || self.word().ok_or(());
                let (priority, weight, port) = (word()?, word()?, word()?);
                Some(Data::Service { priority, weight, port, target: self.name()? })
            }
            CNAME => self.name()?.map(Data::Alias),
            _ => None,
        };
        if data.is_some() && self.at != end {
            return Err(());
        }
        self.at = end;
        // The highest bit has no meaning (RFC 2181, section 8).
        let ttl = if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
        Ok(owner.zip(data).map(|(owner, data)| (owner, ttl, data)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dns::tests::{Record, answer};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn aliases_are_followed_and_the_shortest_time_counts() {
        let question = question(7, &name("www"), Kind::A);
        let records = [
            Record::alias("www", 30, "web"),
            Record::alias("web", 60, "host"),
            Record::address("host", 90, "192.0.2.1"),
            Record::address("host", 80, "192.0.2.2"),
            Record::address("other", 1, "192.0.2.3"),
        ];
        let reply = read(&answer(&question, 0, &records), 7, &name("www"), Kind::A).unwrap();
        let (found, ttl) = reply.find(&name("www"), Kind::A);
        assert_eq!(found, [&Data::Address([192, 0, 2, 1].into()), &Data::Address([192, 0, 2, 2].into())]);
        assert_eq!(ttl, 30);
        assert!(reply.find(&name("www"), Kind::Aaaa).0.is_empty());
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let question = question(7, &name("a"), Kind::A);
        let records = [Record::alias("a", 1, "b"), Record::alias("b", 1, "a")];
        let reply = read(&answer(&question, 0, &records), 7, &name("a"), Kind::A).unwrap();
        assert!(reply.find(&name("a"), Kind::A).0.is_empty());
    }

    #[test]
    fn answers_to_others_are_foreign() {
        let question = question(7, &name("a"), Kind::A);
        let good = answer(&question, 0, &[]);
        assert!(read(&good, 7, &name("a"), Kind::A).is_ok());
        assert_eq!(read(&good, 8, &name("a"), Kind::A), Err(Unusable::Foreign));
        assert_eq!(read(&good, 7, &name("b"), Kind::A), Err(Unusable::Foreign));
        assert_eq!(read(&good, 7, &name("a"), Kind::Aaaa), Err(Unusable::Foreign));
        assert_eq!(read(&question, 7, &name("a"), Kind::A), Err(Unusable::Foreign), "a question is no answer");
    }

    #[test]
    fn services_have_a_place_or_none() {
        let question = question(7, &name("_a._tcp"), Kind::Srv);
        let records = [Record::service("_a._tcp", 5, (1, 2, 3), "host"), Record::service("_a._tcp", 5, (0, 0, 0), ".")];
        let reply = read(&answer(&question, 0, &records), 7, &name("_a._tcp"), Kind::Srv).unwrap();
        let (found, _) = reply.find(&name("_a._tcp"), Kind::Srv);
        let target = Some(name("host"));
        assert_eq!(found.first(), Some(&&Data::Service { priority: 1, weight: 2, port: 3, target }));
        assert!(matches!(found.get(1), Some(Data::Service { target: None, .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_not(mut message in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&message, 7, &name("a"), Kind::A);
            // As if it were the answer.
            let good = answer(&question(7, &name("a"), Kind::Srv), 0, &[]);
            message.splice(..0, good);
            message[7] = 9;
            if let Ok(reply) = read(&message, 7, &name("a"), Kind::Srv) {
                let _ = reply.find(&name("a"), Kind::Srv);
            }
        }

        #[test]
        fn answers_that_are_cut_or_changed_never_panic(cut in 0..200_usize, at in 0..200_usize, byte: u8) {
            let question = question(7, &name("www"), Kind::Srv);
            let records = [Record::alias("www", 1, "web"), Record::service("web", 5, (1, 2, 3), "host")];
            let mut message = answer(&question, 0, &records);
            let at = at % message.len();
            message[at] = byte;
            message.truncate(cut);
            if let Ok(reply) = read(&message, 7, &name("www"), Kind::Srv) {
                let _ = reply.find(&name("www"), Kind::Srv);
            }
        }
    }
}
