//! Tries each capability, as the request's path asks for.

use std::time::Duration;

use sluice_plugin::crypto::{self, DigestAlgorithm, PublicKey, SignatureAlgorithm};
use sluice_plugin::http::{self, ClientError, OutgoingRequest};
use sluice_plugin::limiter::{self, Limit};
use sluice_plugin::prelude::*;
use sluice_plugin::{clock, kv, metrics, random};

struct Tries;

impl Plugin for Tries {
    type Config = sluice_plugin::config::Empty;

    fn configure(_: Self::Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Tries {
    fn on_request(&self, request: &mut Request, _: &Exchange) -> Result<Decision> {
        let seen = attempt(&request.path())?;
        request.set_header("x-seen", &seen)?;
        Ok(Decision::Continue)
    }
}

fn attempt(path: &str) -> Result<String> {
    Ok(match path {
        "/log" => {
            log::info!("a line");
            "logged".to_owned()
        }
        "/clock" => {
            let before = clock::monotonic();
            format!("{} {}", clock::now().as_secs() > 1_600_000_000, clock::monotonic() >= before)
        }
        "/random" => {
            let (a, b): ([u8; 16], [u8; 16]) = (random::array(), random::array());
            format!("{} {} {}", a.len(), b.len(), a == b)
        }
        "/kv" => {
            kv::delete("value")?;
            kv::delete("count")?;
            let text = |value: Option<Vec<u8>>| value.map_or("none".into(), |value| String::from_utf8_lossy(&value).into_owned());
            let none = text(kv::get("value")?);
            kv::set("value", "v1", Some(Duration::from_secs(60)))?;
            let (value, two, five) =
                (text(kv::get("value")?), kv::increment("count", 2, None)?, kv::increment("count", 3, None)?);
            format!("{none} {value} {two} {five} {} {}", kv::delete("count")?, kv::delete("count")?)
        }
        "/kv-failure" => {
            kv::set("text", "abc", None)?;
            let outcome = if kv::increment("text", 1, None).is_err() { "failed" } else { "counted" };
            format!("{outcome} {}", String::from_utf8_lossy(&kv::get("text")?.unwrap_or_default()))
        }
        "/limiter" => {
            let take = || limiter::take("a", Limit::new(2, Duration::from_secs(3600)), 1);
            format!("{} {} {}", take()?.admitted, take()?.admitted, take()?.admitted)
        }
        "/metrics" => format!(
            "{} {} {} {}",
            metrics::add("seen", &[("kind", "a")], 2).is_ok(),
            metrics::set("level", &[], 0.5).is_ok(),
            metrics::observe("size", &[], 7.0).is_ok(),
            metrics::add("no name", &[], 1).is_ok()
        ),
        "/send" => {
            let request = OutgoingRequest::new("POST", "users", "/new?a=b")
                .with_header("x-a", "1")
                .with_body("body")
                .with_timeout(Duration::from_secs(1));
            let answer = request.send()?;
            let made = answer.header_str("x-made").unwrap_or_default();
            format!("{} {made} {}", answer.status, String::from_utf8_lossy(&answer.body))
        }
        "/batch" => batch(),
        _ => signatures()?,
    })
}

fn batch() -> String {
    let requests = [("users", "/1"), ("users", "/2"), ("slow", "/"), ("other", "/")];
    let requests = requests.map(|(cluster, target)| OutgoingRequest::get(cluster, target));
    let answers = http::send_all(&requests).into_iter().map(|answer| match answer {
        Ok(answer) if answer.is_success() => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
        Ok(answer) => answer.status.to_string(),
        Err(ClientError::Timeout) => "timeout".to_owned(),
        Err(ClientError::NotGranted) => "not-granted".to_owned(),
        Err(other) => other.to_string(),
    });
    answers.collect::<Vec<_>>().join(" ")
}

fn signatures() -> Result<String> {
    // RFC 8032, section 7.1, test 2.
    let key = PublicKey::Point(unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
    let signature = unhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let hex = |bytes: Vec<u8>| bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
    let verify = |message: u8| crypto::verify(SignatureAlgorithm::Eddsa, &key, &[message], &signature);
    Ok(format!(
        "{} {} {} {} {} {}",
        hex(crypto::digest(DigestAlgorithm::Sha256, b"abc")?),
        hex(crypto::hmac(DigestAlgorithm::Sha256, b"key", b"The quick brown fox jumps over the lazy dog")?),
        crypto::equal(b"a", b"a"),
        crypto::equal(b"a", b"b"),
        verify(0x72)?,
        verify(0x73)?
    ))
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

sluice_plugin::export!(Tries: OnRequest);
