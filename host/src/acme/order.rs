//! One order: from names to a certificate and its key (RFC 8555, section 7.4).

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::AcmeError;
use crate::config::model::AcmeChallenge;
use crate::tls::{Challenges, Open};

/// How long an authority may take to make up its mind.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// A chain of certificates and the key, both PEM. Shows the authority what it asks for meanwhile.
pub(super) async fn obtain(
    account: &Account,
    names: &[String],
    challenge: AcmeChallenge,
    challenges: &Arc<Challenges>,
) -> Result<(String, String), AcmeError> {
    let identifiers: Vec<Identifier> = names.iter().map(|name| Identifier::Dns(name.clone())).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let open = show(&mut order, challenge, challenges).await?;
    let status = order.poll_ready(&PATIENCE).await?;
    drop(open);
    if !matches!(status, OrderStatus::Ready | OrderStatus::Valid) {
        return Err(AcmeError::NotShown(reasons(&mut order).await));
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok((chain, key))
}

/// Offer the answers to all that the authority will ask, and let it ask.
async fn show(order: &mut Order, wanted: AcmeChallenge, challenges: &Arc<Challenges>) -> Result<Vec<Open>, AcmeError> {
    let mut open = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let (kind, word) = match wanted {
            AcmeChallenge::Http01 => (ChallengeType::Http01, "http-01"),
            AcmeChallenge::TlsAlpn01 => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
        };
        let mut challenge = authorization.challenge(kind).ok_or(AcmeError::NoChallenge(word))?;
        let proof = challenge.key_authorization();
        open.push(match wanted {
            AcmeChallenge::Http01 => challenges.answer(challenge.token.clone(), proof.as_str().to_owned()),
            AcmeChallenge::TlsAlpn01 => challenges.certify(&name, proof.digest().as_ref())?,
        });
        challenge.set_ready().await?;
    }
    Ok(open)
}

/// What the authority says of challenges that failed.
async fn reasons(order: &mut Order) -> String {
    let mut text = String::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        // What is known is from before it asked.
        let Ok(state) = authorization.refresh().await else { continue };
        let errors = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        for detail in errors.filter_map(|error| error.detail.as_deref()) {
            text.push_str(": ");
            text.extend(detail.chars().filter(|c| !c.is_control()).take(300));
        }
    }
    text
}
