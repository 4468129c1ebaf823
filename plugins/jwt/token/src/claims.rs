//! What a token says (RFC 7519 section 4), and whether it is enough.

use std::time::Duration;

use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::{self, Map, Number, Value};

use crate::config::Config;
use crate::refusal::Refusal;
use crate::unique::Unique;

/// A day is more than clocks differ by.
const LONGEST_LEEWAY: Duration = Duration::from_secs(24 * 3600);

/// What a token must say.
pub(crate) struct Rules {
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: f64,
    max_age: Option<f64>,
    require_expiry: bool,
    scopes: Vec<String>,
    required: Map<String, Value>,
    subject: String,
}

/// A token that says enough.
pub(crate) struct Claims {
    subject: String,
    issuer: Option<String>,
    expires: Option<f64>,
    others: Map<String, Value>,
}

/// The claims that this module judges.
#[derive(Deserialize)]
struct Registered {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<Number>,
    nbf: Option<Number>,
    iat: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Rules {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        if config.leeway.0 > LONGEST_LEEWAY {
            return Err(Error::at("leeway", "must be within \"0s\" and \"1d\""));
        }
        // What stands in a quoted string of the answer.
        let is_word = |text: &str| {
            let quotable = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            !text.is_empty() && text.bytes().all(quotable)
        };
        if !is_word(&config.subject_claim) {
            let what = "must be the name of a claim, like \"sub\", of visible ASCII characters without quotes";
            return Err(Error::at("subject_claim", what));
        }
        for (name, list) in [("issuer", &config.issuer.0), ("audience", &config.audience.0)] {
            if list.iter().any(String::is_empty) {
                return Err(Error::at(name, "must not be empty"));
            }
        }
        // RFC 6749 section 3.3.
        if !config.scopes.iter().all(|scope| is_word(scope)) {
            return Err(Error::at("scopes", "must be words without spaces, quotes and backslashes"));
        }
        if !config.required_claims.keys().all(|name| is_word(name)) {
            return Err(Error::at("required_claims", "the names must be of visible ASCII characters without quotes"));
        }
        Ok(Self {
            issuers: config.issuer.0.clone(),
            audiences: config.audience.0.clone(),
            leeway: config.leeway.0.as_secs_f64(),
            max_age: config.max_age.map(|age| age.0.as_secs_f64()),
            require_expiry: config.require_expiry,
            scopes: config.scopes.clone(),
            required: config.required_claims.clone(),
            subject: config.subject_claim.clone(),
        })
    }

    /// Judge a payload at a time, in seconds since the Unix epoch.
    pub(crate) fn check(&self, payload: &[u8], now: f64) -> Result<Claims, Refusal> {
        let unread = |_| Refusal::Malformed("its claims aren't understood");
        let Unique(mut others) = serde_json::from_slice(payload).map_err(unread)?;
        let registered = Registered::deserialize(&others).map_err(unread)?;
        let expires = self.check_times(&registered, now)?;
        if !self.issuers.is_empty() && !registered.iss.as_ref().is_some_and(|issuer| self.issuers.contains(issuer)) {
            return Err(Refusal::Claim("iss".into()));
        }
        let audiences = match registered.aud {
            None => Vec::new(),
            Some(Audience::One(one)) => vec![one],
            Some(Audience::Many(many)) => many,
        };
        if !self.audiences.is_empty() && !audiences.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(Refusal::Claim("aud".into()));
        }
        for (name, wanted) in &self.required {
            if !others.get(name).is_some_and(|found| satisfies(found, wanted)) {
                return Err(Refusal::Claim(name.clone()));
            }
        }
        self.check_scopes(&others)?;
        let subject = match others.get(&self.subject) {
            Some(Value::String(subject)) if !subject.is_empty() => subject.clone(),
            _ => return Err(Refusal::Claim(self.subject.clone())),
        };
        for name in [self.subject.as_str(), "iss", "exp"] {
            others.remove(name);
        }
        Ok(Claims { subject, issuer: registered.iss, expires, others })
    }

    /// The time at which the token expires.
    fn check_times(&self, registered: &Registered, now: f64) -> Result<Option<f64>, Refusal> {
        let time = |name: &str, claim: &Option<Number>| match claim {
            None => Ok(None),
            Some(number) => match number.as_f64() {
                Some(time) if time.is_finite() && time >= 0.0 => Ok(Some(time)),
                _ => Err(Refusal::Claim(name.to_owned())),
            },
        };
        let expires = time("exp", &registered.exp)?;
        match expires {
            Some(expires) if now >= expires + self.leeway => return Err(Refusal::Expired),
            None if self.require_expiry => return Err(Refusal::Claim("exp".into())),
            _ => {}
        }
        if time("nbf", &registered.nbf)?.is_some_and(|begins| now + self.leeway < begins) {
            return Err(Refusal::NotYet);
        }
        let issued = time("iat", &registered.iat)?;
        if let Some(age) = self.max_age {
            let issued = issued.ok_or_else(|| Refusal::Claim("iat".into()))?;
            if now + self.leeway < issued {
                return Err(Refusal::NotYet);
            }
            if now - issued > age + self.leeway {
                return Err(Refusal::TooOld);
            }
        }
        Ok(expires)
    }

    /// Scopes stand in `scope`, separated by spaces (RFC 8693 section 4.2), or, elsewhere, in `scp`.
    fn check_scopes(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let mut held: Vec<&str> = Vec::new();
        for name in ["scope", "scp"] {
            match claims.get(name) {
                Some(Value::String(text)) => held.extend(text.split(' ')),
                Some(Value::Array(list)) => held.extend(list.iter().filter_map(Value::as_str)),
                _ => {}
            }
        }
        if self.scopes.iter().all(|scope| held.contains(&scope.as_str())) {
            return Ok(());
        }
        Err(Refusal::Scope(self.scopes.join(" ")))
    }
}

impl Claims {
    pub(crate) fn into_identity(self) -> Result<Identity> {
        let mut identity = Identity::new(self.subject).with_claims(&self.others)?;
        if let Some(issuer) = self.issuer {
            identity = identity.issued_by(issuer);
        }
        if let Some(expires) = self.expires {
            // Bounded from below by the check, from above by the conversion.
            identity = identity.expiring_at(expires as u64);
        }
        Ok(identity)
    }
}

/// Whether a claim has the value, or one of the values; or, if it is a list, contains it.
fn satisfies(found: &Value, wanted: &Value) -> bool {
    let holds = |wanted: &Value| match found {
        Value::Array(list) => list.contains(wanted) || found == wanted,
        found => found == wanted,
    };
    match wanted {
        Value::Array(any) => any.iter().any(holds) || found == wanted,
        wanted => holds(wanted),
    }
}
