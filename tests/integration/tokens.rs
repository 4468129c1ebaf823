//! The plugins jwt and jwt-remote on real routes, with tokens signed here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::site::{Files, cluster, route};
use crate::harness::upstream::{Upstream, answer};

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer's key, with its name.
struct Key(Ed25519KeyPair, &'static str);

impl Key {
    fn new(kid: &'static str) -> Self {
        Self(Ed25519KeyPair::generate().unwrap(), kid)
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.1, "x": b64(self.0.public_key()) })
    }

    fn token(&self, alg: &str, more: Value) -> String {
        let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3600);
        let mut claims = json!({ "iss": "https://id.example", "sub": "alice", "exp": ends.as_secs() });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let header = json!({ "alg": alg, "kid": self.1, "typ": "JWT" });
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        format!("Bearer {signed}.{}", b64(self.0.sign(signed.as_bytes())))
    }
}

#[tokio::test]
async fn jwt_identifies_by_signed_tokens_and_by_nothing_else() {
    let upstream = Upstream::mirror().await;
    let (key, stranger) = (Key::new("k"), Key::new("k"));
    let files = Files::with_plugins(&["jwt"]);
    files.write("keys.json", &json!({ "keys": [key.jwk()] }).to_string());
    let plugin = "[identity]\nsubject = \"x-user\"\n[[plugin]]\nname = \"tokens\"\ncomponent = \"jwt.wasm\"\n\
                  grants = [\"crypto\", \"clock\"]\n\
                  config = { jwks = { file = \"keys.json\" }, issuer = \"https://id.example\", scopes = [\"read\"] }\n";
    let text = [plugin, &route("up", "/*", &["tokens"]), &cluster("up", &[upstream.address])].concat();
    let site = files.start(&text).await;
    let ask = |token: String| {
        let site = &site;
        async move { site.ask("GET", "/", &[("authorization", &token)], b"").await }
    };
    let seen = ask(key.token("EdDSA", json!({ "scope": "read write" }))).await.json();
    assert_eq!(seen["fields"]["x-user"], json!(["alice"]), "{seen}");
    assert_eq!(seen["fields"].get("authorization"), None, "{seen}");
    for token in [
        stranger.token("EdDSA", json!({ "scope": "read" })),
        key.token("none", json!({ "scope": "read" })),
        key.token("HS256", json!({ "scope": "read" })),
        key.token("EdDSA", json!({ "scope": "read", "exp": 1 })),
        key.token("EdDSA", json!({ "scope": "read", "iss": "https://evil.example" })),
        "Bearer".into(),
    ] {
        let denied = ask(token.clone()).await;
        assert_eq!(denied.status, 401, "{token}");
        assert!(denied.field("www-authenticate").is_some_and(|field| field.contains("invalid_token")), "{token}");
    }
    assert_eq!(ask(key.token("EdDSA", json!({ "scope": "write" }))).await.status, 403);
    site.get("/").await.assert_problem(401);
}

#[tokio::test]
async fn jwt_remote_fetches_keys_follows_their_rotation_and_keeps_the_last_good_ones() {
    let upstream = Upstream::mirror().await;
    let keys = Arc::new([Key::new("one"), Key::new("two")]);
    // How many of them are published; none: the issuer fails.
    let (published, fetches) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(0)));
    let (set, now, count) = (keys.clone(), published.clone(), fetches.clone());
    let issuer =
        Upstream::serving(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            let shown: Vec<Value> = set.iter().take(now.load(Ordering::SeqCst)).map(Key::jwk).collect();
            async move {
                if shown.is_empty() { answer(500, "") } else { answer(200, &json!({ "keys": shown }).to_string()) }
            }
        })
        .await;
    let plugin = "[[plugin]]\nname = \"tokens\"\ncomponent = \"jwt-remote.wasm\"\n\
                  grants = [\"crypto\", \"clock\", \"kv\", { http-client = [\"issuer\"] }]\n\
                  config = { fetch = { cluster = \"issuer\", path = \"/jwks\", every = \"1h\" } }\n";
    let clusters = cluster("up", &[upstream.address]) + &cluster("issuer", &[issuer.address]);
    let text = [plugin, &route("up", "/*", &["tokens"]), &clusters].concat();
    let site = Files::with_plugins(&["jwt-remote"]).start(&text).await;
    let ask = |key: &Key| {
        let (token, site) = (key.token("EdDSA", json!({})), &site);
        async move { site.ask("GET", "/", &[("authorization", &token)], b"").await.status }
    };
    for _ in 0..10 {
        assert_eq!(ask(&keys[0]).await, 200);
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1, "once for all threads");
    published.store(2, Ordering::SeqCst);
    assert_eq!(ask(&keys[1]).await, 200, "a key that wasn't known yet");
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
    published.store(0, Ordering::SeqCst);
    assert_eq!(ask(&Key::new("three")).await, 401);
    // Another interval, so that all instances are new; the keys are the store's.
    site.files.configure(&text.replace("1h", "2h"));
    site.gateway.reload().await;
    for key in keys.iter() {
        assert_eq!(ask(key).await, 200, "the last good keys");
    }
}
