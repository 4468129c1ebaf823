//! What guests return, checked and turned into what the chain works with. Nothing that comes out of
//! here needs another look: it is well-formed, or it is an error that says what isn't.

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, Lower};

use super::bindings::types;
use super::bindings::types::{Identity, LocalResponse, Quota};
use super::guest::Lent;
use crate::plugin::edit;
use crate::plugin::role::{self, Hooks};
use crate::plugin::{exchange, role as chain};

/// The longest subject or issuer of an identity in bytes; they can become header values.
const MAX_NAME: usize = 4 << 10;
/// The most bytes of claims.
const MAX_CLAIMS: usize = 64 << 10;
/// The longest name of a limit's policy in bytes.
const MAX_POLICY: usize = 64;

/// `authenticate.authentication`
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum Authentication {
    #[component(name = "identified")]
    Identified(Identity),
    #[component(name = "no-credentials")]
    NoCredentials,
    #[component(name = "denied")]
    Denied(LocalResponse),
}

/// `authorize.authorization`
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum Authorization {
    #[component(name = "allowed")]
    Allowed,
    #[component(name = "denied")]
    Denied(LocalResponse),
}

/// `rate-limit.verdict`
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum Verdict {
    #[component(name = "admitted")]
    Admitted(Option<Quota>),
    #[component(name = "rejected")]
    Rejected(Quota),
}

/// What a result is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) lent: &'a Lent,
    pub(crate) hooks: Hooks,
}

type Checked<T> = Result<T, String>;

pub(crate) fn authentication(value: Authentication, terms: &Terms<'_>) -> Checked<role::Authentication> {
    Ok(match value {
        Authentication::Identified(found) => role::Authentication::Identified(identity(found)?),
        Authentication::NoCredentials => role::Authentication::NoCredentials,
        Authentication::Denied(answer) => role::Authentication::Denied(response(answer, terms)?),
    })
}

pub(crate) fn authorization(value: Authorization, terms: &Terms<'_>) -> Checked<role::Authorization> {
    Ok(match value {
        Authorization::Allowed => role::Authorization::Allowed,
        Authorization::Denied(answer) => role::Authorization::Denied(response(answer, terms)?),
    })
}

pub(crate) fn verdict(value: Verdict, _: &Terms<'_>) -> Checked<role::Verdict> {
    Ok(match value {
        Verdict::Admitted(left) => role::Verdict::Admitted(left.map(quota).transpose()?),
        Verdict::Rejected(left) => role::Verdict::Rejected(quota(left)?),
    })
}

pub(crate) fn request_decision(value: types::Decision, terms: &Terms<'_>) -> Checked<role::Decision> {
    decision(value, terms, Hooks::ON_REQUEST_BODY, "on-request-body")
}

pub(crate) fn response_decision(value: types::Decision, terms: &Terms<'_>) -> Checked<role::Decision> {
    decision(value, terms, Hooks::ON_RESPONSE_BODY, "on-response-body")
}

fn decision(value: types::Decision, terms: &Terms<'_>, body: Hooks, name: &str) -> Checked<role::Decision> {
    Ok(match value {
        types::Decision::Continue => role::Decision::Continue,
        types::Decision::Respond(answer) => role::Decision::Respond(response(answer, terms)?),
        types::Decision::NeedBody if terms.hooks.has(body) => role::Decision::NeedBody,
        types::Decision::NeedBody => return Err(format!("`need-body` from a plugin that doesn't export `{name}`")),
    })
}

pub(crate) fn body_decision(value: types::BodyDecision, terms: &Terms<'_>) -> Checked<role::BodyDecision> {
    Ok(match value {
        types::BodyDecision::Continue => role::BodyDecision::Continue,
        types::BodyDecision::Replace(body) => {
            let limit = terms.lent.limits.body;
            if body.len() > limit {
                return Err(format!("the new body has {} bytes; `limits.body` allows {limit}", body.len()));
            }
            role::BodyDecision::Replace(Bytes::from(body))
        }
        types::BodyDecision::Respond(answer) => role::BodyDecision::Respond(response(answer, terms)?),
    })
}

pub(crate) fn piece(value: Vec<u8>, terms: &Terms<'_>) -> Checked<Bytes> {
    let limit = terms.lent.limits.body;
    if value.len() > limit {
        return Err(format!("in place of one chunk there are {} bytes; `limits.body` allows {limit}", value.len()));
    }
    Ok(Bytes::from(value))
}

pub(crate) fn response(value: LocalResponse, terms: &Terms<'_>) -> Checked<exchange::LocalResponse> {
    let fields = value.headers.iter().map(|field| (&field.name, &field.value));
    edit::local_response(value.status, fields, Bytes::from(value.body), &terms.lent.identity)
}

fn identity(value: Identity) -> Checked<exchange::Identity> {
    for (what, text) in [("subject", Some(&value.subject)), ("issuer", value.issuer.as_ref())] {
        let Some(text) = text else { continue };
        if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
            return Err(format!("the identity's {what} must have 1 to {MAX_NAME} bytes and no control characters"));
        }
    }
    if value.claims.len() > MAX_CLAIMS {
        return Err(format!("the identity's claims have {} bytes; {MAX_CLAIMS} are the most", value.claims.len()));
    }
    let object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&value.claims);
    if value.claims != "{}" && object().is_err() {
        return Err("the identity's claims are no JSON object".into());
    }
    Ok(exchange::Identity {
        subject: value.subject,
        issuer: value.issuer,
        expires_at: value.expires_at,
        claims: value.claims,
    })
}

fn quota(value: Quota) -> Checked<role::Quota> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if value.policy.is_empty() || value.policy.len() > MAX_POLICY || !value.policy.bytes().all(legal) {
        return Err(format!(
            "the quota's policy must be a name of 1 to {MAX_POLICY} letters, digits, `-`, `_` and `.`"
        ));
    }
    Ok(role::Quota {
        policy: value.policy,
        limit: value.limit,
        window_ms: value.window_ms,
        remaining: value.remaining,
        reset_ms: value.reset_ms,
        retry_after_ms: value.retry_after_ms,
    })
}

/// A result's name in metrics.
pub(crate) trait Outcome {
    fn name(&self) -> &'static str;
}

impl Outcome for chain::Authentication {
    fn name(&self) -> &'static str {
        match self {
            Self::Identified(_) => "identified",
            Self::NoCredentials => "no-credentials",
            Self::Denied(_) => "denied",
        }
    }
}

impl Outcome for chain::Authorization {
    fn name(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied(_) => "denied",
        }
    }
}

impl Outcome for chain::Verdict {
    fn name(&self) -> &'static str {
        match self {
            Self::Admitted(_) => "admitted",
            Self::Rejected(_) => "rejected",
        }
    }
}

impl Outcome for chain::Decision {
    fn name(&self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Respond(_) => "respond",
            Self::NeedBody => "need-body",
        }
    }
}

impl Outcome for chain::BodyDecision {
    fn name(&self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Replace(_) => "replace",
            Self::Respond(_) => "respond",
        }
    }
}

impl Outcome for Bytes {
    fn name(&self) -> &'static str {
        "pass"
    }
}

impl Outcome for exchange::LocalResponse {
    fn name(&self) -> &'static str {
        "respond"
    }
}
