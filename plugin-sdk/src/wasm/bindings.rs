//! What `wit/` says, generated: all that can be imported, and for each hook a world that exports it. Types of
//! the contract that the SDK writes itself are put in by name; the generator checks that they fit.

#![allow(missing_docs, reason = "generated")]

/// Imports. What isn't used isn't imported.
pub mod capabilities {
    wit_bindgen::generate!({
        path: "../wit",
        world: "sluice:plugin/capabilities",
        pub_export_macro: true,
        with: {
            "sluice:plugin/types@0.1.0/field": crate::Field,
            "sluice:plugin/types@0.1.0/edit-error": crate::EditError,
            "sluice:plugin/types@0.1.0/identity": crate::Identity,
            "sluice:plugin/types@0.1.0/origin": crate::Origin,
            "sluice:plugin/types@0.1.0/local-response": crate::LocalResponse,
            "sluice:plugin/types@0.1.0/decision": crate::Decision,
            "sluice:plugin/types@0.1.0/body-decision": crate::BodyDecision,
            "sluice:plugin/types@0.1.0/quota": crate::Quota,
            "sluice:plugin/endpoints@0.1.0/endpoint": crate::Endpoint,
            "sluice:plugin/log@0.1.0/level": crate::log::Level,
            "sluice:plugin/kv@0.1.0/kv-error": crate::kv::KvError,
            "sluice:plugin/limiter@0.1.0/limit": crate::limiter::Limit,
            "sluice:plugin/limiter@0.1.0/outcome": crate::limiter::Outcome,
            "sluice:plugin/http-client@0.1.0/outgoing-request": crate::http::OutgoingRequest,
            "sluice:plugin/http-client@0.1.0/incoming-response": crate::http::IncomingResponse,
            "sluice:plugin/http-client@0.1.0/client-error": crate::http::ClientError,
            "sluice:plugin/crypto@0.1.0/digest-algorithm": crate::crypto::DigestAlgorithm,
            "sluice:plugin/crypto@0.1.0/signature-algorithm": crate::crypto::SignatureAlgorithm,
            "sluice:plugin/crypto@0.1.0/rsa-key": crate::crypto::RsaKey,
            "sluice:plugin/crypto@0.1.0/public-key": crate::crypto::PublicKey,
        },
    });
}

/// Configuration.
pub mod lifecycle {
    wit_bindgen::generate!({
        inline: "package sluice:sdk; world lifecycle { export sluice:plugin/lifecycle@0.1.0; }",
        path: "../wit",
        pub_export_macro: true,
    });
}

/// For each hook the world that exports it, on the types of the imports.
macro_rules! hooks {
    ($($(#[$doc:meta])* $hook:ident: $world:tt)*) => {$(
        $(#[$doc])*
        pub mod $hook {
            wit_bindgen::generate!({
                inline: $world,
                path: "../wit",
                pub_export_macro: true,
                with: {
                    "sluice:plugin/types@0.1.0": super::capabilities::sluice::plugin::types,
                    "sluice:plugin/types@0.1.0/field": crate::Field,
                    "sluice:plugin/types@0.1.0/edit-error": crate::EditError,
                    "sluice:plugin/types@0.1.0/identity": crate::Identity,
                    "sluice:plugin/types@0.1.0/origin": crate::Origin,
                    "sluice:plugin/types@0.1.0/local-response": crate::LocalResponse,
                    "sluice:plugin/types@0.1.0/decision": crate::Decision,
                    "sluice:plugin/types@0.1.0/body-decision": crate::BodyDecision,
                    "sluice:plugin/types@0.1.0/quota": crate::Quota,
                },
            });
        }
    )*};
}

hooks! {
    /// Role authenticate.
    authenticate: "package sluice:sdk; world authenticate { export sluice:plugin/authenticate@0.1.0; }"
    /// Role authorize.
    authorize: "package sluice:sdk; world authorize { export sluice:plugin/authorize@0.1.0; }"
    /// Role rate-limit.
    rate_limit: "package sluice:sdk; world rate-limit { export sluice:plugin/rate-limit@0.1.0; }"
    /// Heads of requests.
    on_request: "package sluice:sdk; world on-request { export sluice:plugin/on-request@0.1.0; }"
    /// Bodies of requests.
    on_request_body: "package sluice:sdk; world on-request-body { export sluice:plugin/on-request-body@0.1.0; }"
    /// Bodies of requests in pieces.
    on_request_chunk: "package sluice:sdk; world on-request-chunk { export sluice:plugin/on-request-chunk@0.1.0; }"
    /// Bodies of answers in pieces.
    on_response_chunk: "package sluice:sdk; world on-response-chunk { export sluice:plugin/on-response-chunk@0.1.0; }"
    /// Heads of answers.
    on_response: "package sluice:sdk; world on-response { export sluice:plugin/on-response@0.1.0; }"
    /// Bodies of answers.
    on_response_body: "package sluice:sdk; world on-response-body { export sluice:plugin/on-response-body@0.1.0; }"
    /// Role aggregate.
    aggregate: "package sluice:sdk; world aggregate { export sluice:plugin/aggregate@0.1.0; }"
}

/// Role balance.
pub mod balance {
    wit_bindgen::generate!({
        inline: "package sluice:sdk; world balance { export sluice:plugin/balance@0.1.0; }",
        path: "../wit",
        pub_export_macro: true,
        with: {
            "sluice:plugin/types@0.1.0": super::capabilities::sluice::plugin::types,
            "sluice:plugin/endpoints@0.1.0": super::capabilities::sluice::plugin::endpoints,
        },
    });
}
