//! The plugin against the test double, whose cluster is an issuer that changes its keys.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_plugin::http::{ClientError, IncomingResponse};
use sluice_plugin::serde_json::Value;
use sluice_plugin::test::{MockHost, TestExchange, TestPlugin};

use super::*;

const NOW: u64 = 1_700_000_000;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct Issuer {
    host: MockHost,
    keys: [Ed25519KeyPair; 2],
    /// How many keys it has published; 0: it fails.
    published: Rc<Cell<usize>>,
    fetches: Rc<Cell<usize>>,
}

impl Issuer {
    fn new() -> Self {
        let keys = [Ed25519KeyPair::generate().unwrap(), Ed25519KeyPair::generate().unwrap()];
        let jwk = |index: usize| json!({ "kty": "OKP", "kid": index.to_string(), "crv": "Ed25519", "x": b64(keys[index].public_key()) });
        let sets = [
            json!({}),
            json!({ "keys": [jwk(0), { "kty": "oct", "k": b64([7; 32]) }] }),
            json!({ "keys": [jwk(0), jwk(1)] }),
        ];
        let host = MockHost::new();
        host.set_time(Duration::from_secs(NOW));
        let (published, fetches) = (Rc::new(Cell::new(1)), Rc::new(Cell::new(0)));
        let (now, count) = (published.clone(), fetches.clone());
        host.on_cluster("id", move |request| {
            assert_eq!(request.target, "/jwks");
            count.set(count.get() + 1);
            match now.get() {
                0 => Err(ClientError::Timeout),
                number => Ok(IncomingResponse::json(200, &sets[number])),
            }
        });
        Self { host, keys, published, fetches }
    }

    fn plugin(&self) -> TestPlugin<JwtRemote> {
        self.host.configure(json!({ "fetch": { "cluster": "id", "path": "/jwks", "every": "5m" } })).unwrap()
    }

    fn token(&self, key: usize) -> String {
        let header = json!({ "alg": "EdDSA", "kid": key.to_string() });
        let claims = json!({ "sub": "alice", "exp": NOW + 100_000 });
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        format!("{signed}.{}", b64(self.keys[key].sign(signed.as_bytes())))
    }

    /// Whether the token is good; an error is the plugin's.
    fn judge(&self, plugin: &TestPlugin<JwtRemote>, token: &str) -> Result<bool> {
        let exchange = TestExchange::get("/").header("authorization", format!("Bearer {token}"));
        Ok(matches!(plugin.authenticate(&exchange)?, Authentication::Identified(_)))
    }
}

#[test]
fn keys_are_fetched_once_for_all_instances() {
    let issuer = Issuer::new();
    let (one, two) = (issuer.plugin(), issuer.plugin());
    assert_eq!(one.authenticate(&TestExchange::get("/")).unwrap(), Authentication::NoCredentials);
    assert_eq!(issuer.fetches.get(), 0, "nobody needed them");
    for _ in 0..3 {
        assert!(issuer.judge(&one, &issuer.token(0)).unwrap());
        assert!(issuer.judge(&two, &issuer.token(0)).unwrap());
    }
    assert_eq!(issuer.fetches.get(), 1);
    issuer.host.advance(Duration::from_secs(301));
    assert!(issuer.judge(&one, &issuer.token(0)).unwrap());
    assert!(issuer.judge(&two, &issuer.token(0)).unwrap());
    assert_eq!(issuer.fetches.get(), 2);
}

#[test]
fn new_keys_are_found_when_a_token_names_them() {
    let issuer = Issuer::new();
    let (one, two) = (issuer.plugin(), issuer.plugin());
    assert!(issuer.judge(&one, &issuer.token(0)).unwrap() && issuer.judge(&two, &issuer.token(0)).unwrap());
    issuer.published.set(2);
    issuer.host.advance(Duration::from_secs(1));
    assert!(issuer.judge(&one, &issuer.token(1)).unwrap());
    assert!(issuer.judge(&two, &issuer.token(1)).unwrap(), "from the store");
    assert_eq!(issuer.fetches.get(), 2);
    for _ in 0..10 {
        let stranger = issuer.token(1).replacen('.', "A.", 1);
        assert!(!issuer.judge(&one, &stranger).unwrap());
    }
    let unknown = format!("{}.e30.AAAA", b64(r#"{"alg":"EdDSA","kid":"9"}"#));
    for _ in 0..10 {
        assert!(!issuer.judge(&one, &unknown).unwrap());
    }
    assert_eq!(issuer.fetches.get(), 2, "a stranger can't make it ask again and again");
    issuer.host.advance(Duration::from_secs(31));
    assert!(!issuer.judge(&one, &unknown).unwrap());
    assert_eq!(issuer.fetches.get(), 3);
}

#[test]
fn the_last_good_keys_stay_in_use() {
    let issuer = Issuer::new();
    let plugin = issuer.plugin();
    issuer.published.set(0);
    let error = issuer.judge(&plugin, &issuer.token(0)).unwrap_err().to_string();
    assert_eq!(error, "the issuer's keys can't be had: no whole answer in time");
    let error = issuer.judge(&plugin, &issuer.token(0)).unwrap_err().to_string();
    assert_eq!(error, "the issuer's keys couldn't be had a moment ago");
    assert_eq!(issuer.fetches.get(), 1);
    issuer.published.set(1);
    issuer.host.advance(Duration::from_secs(2));
    assert!(issuer.judge(&plugin, &issuer.token(0)).unwrap());
    issuer.published.set(0);
    issuer.host.advance(Duration::from_secs(3000));
    assert!(issuer.judge(&plugin, &issuer.token(0)).unwrap());
    assert!(issuer.host.log().iter().any(|(_, line)| line.contains("the old ones stay in use")));
    assert!(issuer.judge(&issuer.plugin(), &issuer.token(0)).unwrap(), "also in instances that are new");
}

#[test]
fn secrets_of_a_public_set_are_no_keys() {
    let issuer = Issuer::new();
    let signed = format!("{}.{}", b64(r#"{"alg":"HS256"}"#), b64(json!({ "sub": "eve", "exp": NOW + 60 }).to_string()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]);
    let token = format!("{signed}.{}", b64(aws_lc_rs::hmac::sign(&key, signed.as_bytes())));
    assert!(!issuer.judge(&issuer.plugin(), &token).unwrap());
}

#[test]
fn errors_say_what_is_wrong() {
    let refusal = |config: Value| MockHost::new().configure::<JwtRemote>(config).err().unwrap().to_string();
    assert_eq!(refusal(json!({})), "fetch: is missing; without it use `jwt.wasm`, which needs fewer grants");
    assert_eq!(refusal(json!({ "fetch": { "cluster": "id" } })), "fetch: the key `path` is missing");
    assert_eq!(
        refusal(json!({ "fetch": { "cluster": "id", "path": "jwks" } })),
        "fetch.path: must begin with `/`, like \"/.well-known/jwks.json\""
    );
    assert_eq!(
        refusal(json!({ "fetch": { "cluster": "id", "path": "/", "every": "1ms" } })),
        "fetch.every: must be at least \"100ms\""
    );
}
