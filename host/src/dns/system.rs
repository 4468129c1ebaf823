//! Whom the system asks: `resolv.conf` (resolv.conf(5)).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::name::Name;

const FILE: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// As many as the C library takes.
const MOST_SERVERS: usize = 3;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    pub servers: Vec<SocketAddr>,
    /// Domains in which short names are looked for.
    pub search: Vec<Name>,
    /// A name with so many dots is first looked for as it is.
    pub ndots: usize,
}

impl System {
    /// As it is now; without the file, a server on this machine, as in the C library.
    pub fn read() -> Self {
        parse(&std::fs::read_to_string(Path::new(FILE)).unwrap_or_default())
    }
}

fn parse(text: &str) -> System {
    let mut system = System { servers: Vec::new(), search: Vec::new(), ndots: 1 };
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") if system.servers.len() < MOST_SERVERS => {
                let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                system.servers.extend(address.map(|address| SocketAddr::new(address, PORT)));
            }
            // The last of them counts.
            Some("search" | "domain") => system.search = words.filter_map(Name::new).collect(),
            Some("options") => {
                let ndots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok()).next_back();
                system.ndots = ndots.unwrap_or(system.ndots).min(15);
            }
            _ => {}
        }
    }
    if system.servers.is_empty() {
        system.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    system
}

impl System {
    /// What a name may be short for, in the order of looking.
    pub fn candidates(&self, name: &Name) -> Vec<Name> {
        let longer = self.search.iter().filter_map(|domain| name.within(domain));
        if name.dots() >= self.ndots {
            std::iter::once(name.clone()).chain(longer).collect()
        } else {
            longer.chain(std::iter::once(name.clone())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_file_of_a_cluster_of_containers() {
        let text = "# made by somebody\nsearch shop.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\n\
                    nameserver fe80::1%eth0\noptions timeout:1 ndots:5\n";
        let system = parse(text);
        assert_eq!(system.servers, ["10.96.0.10:53".parse().unwrap()]);
        let candidates = |name| -> Vec<String> {
            system.candidates(&Name::new(name).unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(candidates("orders"), ["orders.shop.svc.cluster.local", "orders.svc.cluster.local", "orders"]);
        assert_eq!(candidates("a.b.c.d.e.f").first().map(String::as_str), Some("a.b.c.d.e.f"));
    }

    #[test]
    fn without_a_file_there_is_a_server_here() {
        let system = parse("");
        assert_eq!((system.servers, system.ndots), (vec!["127.0.0.1:53".parse().unwrap()], 1));
        assert_eq!(parse("nameserver ::1\n").servers, ["[::1]:53".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn any_text_names_a_server(text in "[a-z0-9:. \\n]{0,200}") {
            let system = parse(&text);
            prop_assert!((1..=MOST_SERVERS).contains(&system.servers.len()) && system.ndots <= 15);
        }
    }
}
