//! What a plugin is for, and what it uses.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sluice::config::model::Capability;

/// A role, by the name of its main hook or of its world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Find out who asks
    Authenticate,
    /// Decide whether they may
    Authorize,
    /// Decide whether it is too much
    RateLimit,
    /// Change requests and answers
    Filter,
    /// The same, and whole bodies
    BodyFilter,
    /// The same, and bodies piece by piece, while they pass
    StreamFilter,
    /// Make one answer of several services'
    Aggregate,
    /// Pick endpoints
    Balance,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Authorize => "authorize",
            Self::RateLimit => "rate-limit",
            Self::Filter => "filter",
            Self::BodyFilter => "body-filter",
            Self::StreamFilter => "stream-filter",
            Self::Aggregate => "aggregate",
            Self::Balance => "balance",
        }
    }

    /// The world of the contract that has its hooks.
    pub fn world(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticator",
            Self::Authorize => "authorizer",
            Self::RateLimit => "rate-limiter",
            Self::Filter => "filter",
            Self::BodyFilter => "body-filter",
            Self::StreamFilter => "stream-filter",
            Self::Aggregate => "aggregator",
            Self::Balance => "balancer",
        }
    }

    /// What its first version uses.
    pub fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::RateLimit => &[Capability::Limiter],
            Self::Aggregate => &[Capability::HttpClient],
            _ => &[],
        }
    }

    /// The line of the configuration that its first version takes.
    pub fn config(self) -> &'static str {
        match self {
            Self::Authenticate => "config = { token = \"open-sesame\", subject = \"alice\" }",
            Self::Authorize => "config = { admins = [\"alice\"] }",
            Self::RateLimit => "config = { rate = 100, per_ms = 60_000 }",
            Self::Filter => "config = { greeting = \"hello\" }",
            Self::BodyFilter => "config = { word = \"secret\" }",
            Self::StreamFilter | Self::Aggregate | Self::Balance => "",
        }
    }

    /// How a configuration uses it.
    pub fn example(self, name: &str) -> String {
        match self {
            Self::Aggregate => format!(
                "[[route]]\nname = \"overview\"\nmatch = {{ path = \"/overview/{{id}}\" }}\nplugins = [\"{name}\"]\n\n\
                 [[cluster]]\nname = \"users\"\nendpoints = [\"127.0.0.1:9001\"]\n\n\
                 [[cluster]]\nname = \"orders\"\nendpoints = [\"127.0.0.1:9002\"]"
            ),
            Self::Balance => format!(
                "[[route]]\nname = \"users\"\nmatch = {{ path = \"/*\" }}\ncluster = \"users\"\n\n\
                 [[cluster]]\nname = \"users\"\nbalance = {{ plugin = \"{name}\" }}\nendpoints = [\"127.0.0.1:9001\", \"127.0.0.1:9002\"]"
            ),
            _ => format!(
                "[[route]]\nname = \"users\"\nmatch = {{ path = \"/*\" }}\nplugins = [\"{name}\"]\ncluster = \"users\"\n\n\
                 [[cluster]]\nname = \"users\"\nendpoints = [\"127.0.0.1:9001\"]"
            ),
        }
    }
}

/// Reads what `--grant` names.
pub fn capabilities() -> impl TypedValueParser<Value = Capability> {
    let known = PossibleValuesParser::new(Capability::ALL.map(Capability::name));
    known.try_map(|name| Capability::named(&name).ok_or("it can't be granted"))
}

/// The value of `grants`.
pub fn grants(role: Role, capabilities: &[Capability]) -> String {
    let clusters: &[&str] = if role == Role::Aggregate { &["users", "orders"] } else { &["users"] };
    let grants: Vec<String> = capabilities.iter().map(|capability| capability.grant(clusters)).collect();
    format!("[{}]", grants.join(", "))
}
