//! The plugin against the test double, with tokens signed here.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512,
    RsaKeyPair,
};
use aws_lc_rs::{encoding, hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sluice_plugin::serde_json::Value;
use sluice_plugin::test::{MockHost, TestExchange, TestPlugin};

use super::*;

const NOW: u64 = 1_700_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// An RSA key of 1024 bits as a SubjectPublicKeyInfo.
const SHORT: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCd5tA2+R+PDmHrTLbI46Hw9XY/lPxvZX2VIUYtGrbSzw3h8SrOoSeZLPZVBR/I\
    d58r6+lOEOeL0HA/hgv4qbTJ8s12qS/RWyE1afHtf+IblYb1y/ZhA3da/IDDNGg72pSlZx1/BKWAqbu3gnJU7xy9qFvN8HqitnQJ\
    /t0EGdQbCQIDAQAB";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer with one key of each kind.
struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// The modulus: 256 bytes of an RSAPublicKey in DER, whose exponent is 65537.
    fn modulus(&self) -> Vec<u8> {
        self.rsa.public_key().as_ref()[9..9 + 256].to_vec()
    }

    fn jwks(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            { "kty": "RSA", "kid": "r", "n": b64(self.modulus()), "e": "AQAB", "use": "sig" },
            { "kty": "EC", "kid": "e", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]), "alg": "ES256" },
            { "kty": "OKP", "kid": "d", "crv": "Ed25519", "x": b64(self.ed.public_key()) },
        ] })
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let random = SystemRandom::new();
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(padding, &random, signed.as_bytes(), &mut signature).unwrap();
            signature
        };
        let signature = match header["alg"].as_str().unwrap() {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS512" => rsa(&RSA_PSS_SHA512),
            "ES256" => self.ec.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(signed.as_bytes()).as_ref().to_vec(),
            _ => Vec::new(),
        };
        format!("{signed}.{}", b64(signature))
    }

    fn plugin(&self, more: Value) -> TestPlugin<Jwt> {
        let mut config = json!({ "jwks": self.jwks() });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        plugin(config)
    }
}

fn plugin(config: Value) -> TestPlugin<Jwt> {
    let host = MockHost::new();
    host.set_time(Duration::from_secs(NOW));
    host.configure(config).unwrap()
}

fn mac(header: &str, claims: &Value, secret: &[u8]) -> String {
    let signed = format!("{}.{}", b64(header), b64(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", b64(tag))
}

fn claims() -> Value {
    json!({ "sub": "alice", "exp": NOW + 60 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn judge(plugin: &TestPlugin<Jwt>, token: &str) -> Result<Identity, String> {
    let exchange = TestExchange::get("/").header("authorization", format!("Bearer {token}"));
    match plugin.authenticate(&exchange).unwrap() {
        Authentication::Identified(identity) => {
            assert_eq!(exchange.request_header("authorization"), None, "it's hidden");
            Ok(identity)
        }
        Authentication::Denied(answer) => {
            let challenge = String::from_utf8(answer.header("www-authenticate").unwrap().to_vec()).unwrap();
            assert!(challenge.starts_with("Bearer error=\""), "{challenge}");
            Err(format!("{} {}", answer.status, answer.body_json::<Value>().unwrap()["detail"].as_str().unwrap()))
        }
        Authentication::NoCredentials => panic!("there was a token"),
    }
}

#[test]
fn every_kind_of_key_identifies() {
    let issuer = Issuer::new();
    let plugin = issuer.plugin(json!({}));
    for (alg, kid) in [("RS256", "r"), ("PS512", "r"), ("ES256", "e"), ("EdDSA", "d")] {
        for header in [json!({ "alg": alg, "kid": kid, "typ": "JWT" }), json!({ "alg": alg })] {
            let token = issuer.token(&header, &json!({ "sub": "alice", "iss": "me", "exp": NOW + 60, "tier": "gold" }));
            let identity = judge(&plugin, &token).unwrap_or_else(|error| panic!("{header}: {error}"));
            let expected = Identity::new("alice").issued_by("me").expiring_at(NOW + 60);
            assert_eq!(identity, expected.with_claims(&json!({ "tier": "gold" })).unwrap());
        }
    }
}

#[test]
fn secrets_and_pem_identify_too() {
    let secret = plugin(json!({ "secret": String::from_utf8(SECRET.to_vec()).unwrap() }));
    assert!(judge(&secret, &mac(r#"{"alg":"HS256"}"#, &claims(), SECRET)).is_ok());
    assert!(judge(&secret, &mac(r#"{"alg":"HS256"}"#, &claims(), b"another")).is_err());

    let issuer = Issuer::new();
    for (alg, der) in [
        ("RS256", encoding::AsDer::<encoding::PublicKeyX509Der<'_>>::as_der(issuer.rsa.public_key()).unwrap()),
        ("ES256", encoding::AsDer::<encoding::PublicKeyX509Der<'_>>::as_der(issuer.ec.public_key()).unwrap()),
        ("EdDSA", encoding::AsDer::<encoding::PublicKeyX509Der<'_>>::as_der(issuer.ed.public_key()).unwrap()),
    ] {
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
        let plugin = plugin(json!({ "public_keys": pem }));
        let token = issuer.token(&json!({ "alg": alg, "kid": "any" }), &claims());
        assert!(judge(&plugin, &token).is_ok(), "{alg}");
    }
}

#[test]
fn forgeries_are_refused() {
    let issuer = Issuer::new();
    let plugin = issuer.plugin(json!({}));
    let good = issuer.token(&json!({ "alg": "RS256", "kid": "r" }), &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let none = |alg: &str| format!("{}.{payload}.", b64(json!({ "alg": alg, "kid": "r" }).to_string()));
    let stranger = Issuer::new();
    let pem = encoding::AsDer::<encoding::PublicKeyX509Der<'_>>::as_der(issuer.rsa.public_key()).unwrap();
    let embedded =
        json!({ "alg": "RS256", "kid": "r", "jwk": stranger.jwks()["keys"][0], "jku": "https://evil.example/" });
    for (what, token, why) in [
        ("none", none("none"), "401 the token's algorithm isn't accepted"),
        ("None", none("None"), "401 the token's algorithm isn't accepted"),
        ("no signature", format!("{signed}."), "401 the token's signature is wrong"),
        (
            "HMAC with the public key",
            mac(r#"{"alg":"HS256","kid":"r"}"#, &claims(), pem.as_ref()),
            "401 the token's key isn't known",
        ),
        (
            "HMAC with the modulus",
            mac(r#"{"alg":"HS256"}"#, &claims(), &issuer.modulus()),
            "401 the token's key isn't known",
        ),
        ("a key of its own", stranger.token(&embedded, &claims()), "401 the token's signature is wrong"),
        (
            "another algorithm of the family",
            format!("{}.{payload}.{signature}", b64(r#"{"alg":"PS256","kid":"r"}"#)),
            "401 the token's signature is wrong",
        ),
        (
            "another family's key",
            issuer.token(&json!({ "alg": "RS256", "kid": "e" }), &claims()),
            "401 the token's key isn't known",
        ),
        (
            "an unknown key",
            issuer.token(&json!({ "alg": "RS256", "kid": "../../dev/null" }), &claims()),
            "401 the token's key isn't known",
        ),
        (
            "a query for a kid",
            issuer.token(&json!({ "alg": "RS256", "kid": "' OR 1=1 --" }), &claims()),
            "401 the token's key isn't known",
        ),
        (
            "a kid that is no string",
            issuer.token(&json!({ "alg": "RS256", "kid": ["r"] }), &claims()),
            "401 the token is malformed: its header isn't understood",
        ),
        (
            "critical extensions",
            issuer.token(&json!({ "alg": "RS256", "crit": ["b64"], "b64": false }), &claims()),
            "401 the token is malformed: its header has critical extensions",
        ),
        (
            "another type",
            issuer.token(&json!({ "alg": "RS256", "typ": "dpop+jwt" }), &claims()),
            "401 the token is malformed: its `typ` is of another kind",
        ),
        (
            "other claims",
            format!("{header}.{}.{signature}", b64(with("sub", json!("root")).to_string())),
            "401 the token's signature is wrong",
        ),
        ("padding", format!("{signed}.{signature}="), "401 the token is malformed: it isn't base64url"),
        ("the other alphabet", format!("{signed}.+/{signature}"), "401 the token is malformed: it isn't base64url"),
        ("two parts", signed.to_owned(), "401 the token is malformed: it has too few parts"),
        ("four parts", format!("{good}.x"), "401 the token is malformed: it has too many parts"),
        ("nothing", String::new(), "401 the token is malformed: it has too few parts"),
        (
            "two algorithms",
            format!("{}.{payload}.{signature}", b64(r#"{"alg":"none","alg":"RS256"}"#)),
            "401 the token is malformed: its header isn't understood",
        ),
        ("no end", "a".repeat(17_000), "401 the token is malformed: it is too long"),
    ] {
        assert_eq!(judge(&plugin, &token), Err(why.into()), "{what}");
    }
    assert!(judge(&plugin, &good).is_ok());
}

#[test]
fn claims_have_to_fit() {
    let issuer = Issuer::new();
    let plugin = issuer.plugin(json!({
        "issuer": "https://id.example.com", "audience": ["api", "app"], "leeway": "10s", "max_age": "1h",
        "scopes": ["read", "write"], "required_claims": { "tenant": "acme", "groups": ["staff", "admin"] },
    }));
    let good = json!({
        "iss": "https://id.example.com", "aud": ["other", "api"], "sub": "alice", "exp": NOW - 9, "nbf": NOW + 9,
        "iat": NOW - 3600, "scope": "write read", "tenant": "acme", "groups": ["users", "admin"],
    });
    let judge = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        super::tests::judge(&plugin, &issuer.token(&json!({ "alg": "EdDSA" }), &claims)).map(drop)
    };
    assert_eq!(judge("aud", json!("app")), Ok(()));
    assert_eq!(judge("exp", json!(NOW as f64 + 0.5)), Ok(()));
    assert_eq!(judge("scope", json!(["read", "write", "more"])), Ok(()));
    assert_eq!(judge("groups", json!("staff")), Ok(()));
    let claim = |name: &str| Err(format!("401 the token's claim {name} isn't accepted"));
    for (name, value, refusal) in [
        ("iss", json!("https://id.example.com/"), claim("iss")),
        ("iss", Value::Null, claim("iss")),
        ("aud", json!("ap"), claim("aud")),
        ("aud", json!([]), claim("aud")),
        ("exp", json!(NOW - 10), Err("401 the token has expired".into())),
        ("exp", Value::Null, claim("exp")),
        ("exp", json!(-1), claim("exp")),
        ("exp", json!("never"), Err("401 the token is malformed: its claims aren't understood".into())),
        ("nbf", json!(NOW + 11), Err("401 the token isn't valid yet".into())),
        ("iat", json!(NOW + 11), Err("401 the token isn't valid yet".into())),
        ("iat", json!(NOW - 3611), Err("401 the token was issued too long ago".into())),
        ("sub", json!(""), claim("sub")),
        ("sub", json!(7), claim("sub")),
        ("tenant", json!("acm"), claim("tenant")),
        ("groups", json!(["users"]), claim("groups")),
        ("scope", json!("read"), Err("403 the token needs the scope read write".into())),
        ("scope", json!("readwrite"), Err("403 the token needs the scope read write".into())),
    ] {
        assert_eq!(judge(name, value.clone()), refusal, "{name} {value}");
    }
}

#[test]
fn members_that_occur_twice_are_refused() {
    let issuer = Issuer::new();
    let plugin = issuer.plugin(json!({}));
    let end = NOW + 60;
    let judge = |header: &str, claims: &str| {
        let signed = format!("{}.{}", b64(header), b64(claims));
        judge(&plugin, &format!("{signed}.{}", b64(issuer.ed.sign(signed.as_bytes())))).map(drop)
    };
    let once = format!(r#"{{"sub":"a","exp":{end},"tier":"silver"}}"#);
    assert_eq!(judge(r#"{"alg":"EdDSA"}"#, &once), Ok(()));
    for more in [r#""exp":1"#, r#""sub":"root""#, r#""tier":"gold""#, r#""\u0074ier":"gold""#] {
        let twice = once.replacen('{', &format!("{{{more},"), 1);
        let refused = judge(r#"{"alg":"EdDSA"}"#, &twice).unwrap_err();
        assert!(refused.contains("its claims aren't understood"), "{twice}: {refused}");
    }
    let refused = judge(r#"{"alg":"EdDSA","jku":"a","jku":"b"}"#, &once).unwrap_err();
    assert!(refused.contains("its header isn't understood"), "{refused}");
}

#[test]
fn tokens_are_found_where_they_are_looked_for() {
    let plugin = plugin(json!({ "secret": String::from_utf8(SECRET.to_vec()).unwrap(), "cookie": "session" }));
    let token = mac(r#"{"alg":"HS256"}"#, &claims(), SECRET);
    let exchange = TestExchange::get("/").header("cookie", format!("a=1; session={token}; b=2"));
    assert!(matches!(plugin.authenticate(&exchange).unwrap(), Authentication::Identified(_)));
    assert_eq!(exchange.request_header("cookie").as_deref(), Some("a=1; b=2"));
    let exchange = TestExchange::get("/").header("authorization", format!("bearer {token}"));
    assert!(matches!(plugin.authenticate(&exchange).unwrap(), Authentication::Identified(_)));
    for exchange in
        [TestExchange::get("/"), TestExchange::get("/").header("authorization", "Basic YTpi").header("cookie", "a=1")]
    {
        assert_eq!(plugin.authenticate(&exchange).unwrap(), Authentication::NoCredentials);
    }
    let twice = TestExchange::get("/")
        .header("authorization", format!("Bearer {token}"))
        .header("authorization", format!("Bearer {token}"));
    assert!(matches!(plugin.authenticate(&twice).unwrap(), Authentication::Denied(_)));

    let custom = super::tests::plugin(
        json!({ "secret": String::from_utf8(SECRET.to_vec()).unwrap(), "header": "X-Token", "hide_credentials": false }),
    );
    let exchange = TestExchange::get("/").header("x-token", token.clone());
    assert!(matches!(custom.authenticate(&exchange).unwrap(), Authentication::Identified(_)));
    assert_eq!(exchange.request_header("x-token"), Some(token));
}

#[test]
fn errors_say_what_is_wrong_and_keep_secrets() {
    let issuer = Issuer::new();
    let jwks = issuer.jwks();
    let off_curve = json!({ "kty": "EC", "crv": "P-256", "x": b64([1; 32]), "y": b64([1; 32]) });
    let short = json!({ "kty": "RSA", "n": b64([0xff; 128]), "e": "AQAB" });
    for (config, message) in [
        (json!({}), "there are no keys; give `jwks`, `public_keys` or `secret`"),
        (json!({ "secret": "hunter2" }), "secret: the secret has 7 bytes; HS256 needs 32 at least"),
        (json!({ "jwks": "{hunter2" }), "jwks: isn't JSON"),
        (json!({ "jwks": { "keys": [] } }), "jwks: has no key for signatures"),
        (json!({ "jwks": { "keys": [off_curve] } }), "jwks: keys[0]: the key is none for this algorithm"),
        (json!({ "jwks": short }), "jwks: keys[0]: the modulus has 1024 bits; it must have 2048 to 8192"),
        (json!({ "public_keys": "hunter2" }), "public_keys[0]: there is no `-----BEGIN PUBLIC KEY-----`"),
        (json!({ "jwks": jwks, "algorithms": ["HS256"] }), "algorithms: there is no key for HS256"),
        (
            json!({ "jwks": jwks, "fetch": { "cluster": "id", "path": "/" } }),
            "fetch: this component fetches nothing; use `jwt-remote.wasm`",
        ),
        (json!({ "jwks": jwks, "leeway": "2d" }), "leeway: must be within \"0s\" and \"1d\""),
        (
            json!({ "public_keys": format!("-----BEGIN PUBLIC KEY-----\n{SHORT}\n-----END PUBLIC KEY-----") }),
            "public_keys[0]: the key is no RSA key with a modulus of 2048 to 8192 bits",
        ),
        (
            json!({ "jwks": jwks, "subject_claim": "a\"b" }),
            "subject_claim: must be the name of a claim, like \"sub\", of visible ASCII characters without quotes",
        ),
        (json!({ "jwks": jwks, "scopes": ["a b"] }), "scopes: must be words without spaces, quotes and backslashes"),
    ] {
        match MockHost::new().configure::<Jwt>(config) {
            Ok(_) => panic!("accepted instead of: {message}"),
            Err(error) => assert_eq!(error.to_string(), message),
        }
    }
    let none = MockHost::new().configure::<Jwt>(json!({ "jwks": jwks, "algorithms": ["none"] }));
    assert!(none.err().unwrap().to_string().contains("must be one of `RS256`"));
}
