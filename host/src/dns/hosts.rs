//! Names that this machine knows without asking: those of `/etc/hosts` (hosts(5)), and `localhost`, which is always itself
//! (RFC 6761, section 6.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::name::Name;

const FILE: &str = "/etc/hosts";

/// The addresses of a name, in their order; none if the file doesn't have it. It is read each time, as it is then.
pub(super) fn find(name: &Name) -> Vec<IpAddr> {
    // Without the file there is nothing in it.
    look(&std::fs::read_to_string(Path::new(FILE)).unwrap_or_default(), name)
}

fn look(text: &str, name: &Name) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        // An address with a zone is of no use outside of its link.
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        if words.filter_map(Name::new).any(|known| known == *name) && !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() && is_local(name) {
        found.extend([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]);
    }
    found
}

fn is_local(name: &Name) -> bool {
    name.as_str() == "localhost" || name.as_str().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str, name: &str) -> Vec<String> {
        look(text, &Name::new(name).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_file_of_a_container() {
        let text = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # itself\n\n# 192.0.2.9 orders\n\
                    10.0.0.7 Orders.internal orders\n10.0.0.8 orders\n10.0.0.8 orders\nfe80::1%eth0 orders\n\
                    nonsense orders\n10.0.0.9\n10.0.0.10 more orders.internal.\n";
        assert_eq!(found(text, "orders"), ["10.0.0.7", "10.0.0.8"], "each once");
        assert_eq!(found(text, "ORDERS.internal"), ["10.0.0.7", "10.0.0.10"]);
        assert_eq!(found(text, "localhost"), ["127.0.0.1", "::1"]);
        assert!(found(text, "order").is_empty() && found(text, "itself").is_empty());
    }

    #[test]
    fn this_machine_is_itself_whatever_the_file_says() {
        assert_eq!(found("", "localhost"), ["127.0.0.1", "::1"]);
        assert_eq!(found("", "shop.localhost"), ["127.0.0.1", "::1"]);
        assert_eq!(found("10.0.0.1 shop.localhost", "shop.localhost"), ["10.0.0.1"], "unless it says it");
        assert!(found("", "nolocalhost").is_empty());
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_a_line_tells_an_address(
            before in "[ -~\\t\\n]{0,100}", gap in "[ \\t]{1,3}", after in "(#[ -~]{0,20})?", address: u32, names in 0..4_usize,
        ) {
            let address = Ipv4Addr::from(address);
            let others = "other ".repeat(names);
            let text = format!("{before}\n{gap}{address}{gap}{others}wanted{gap}{after}\n");
            prop_assert!(look(&text, &Name::new("wanted").unwrap()).contains(&address.into()));
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,200}") {
            let _ = look(&text, &Name::new("a").unwrap());
        }
    }
}
