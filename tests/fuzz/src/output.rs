//! What a plugin hands over, after it was lifted out of its memory: names and values of any bytes, statuses of any
//! number. Whatever is taken has to be a message that goes upstream or to the client as it is.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method};
use sluice::config::model::IdentityFields;
use sluice::fields::is_gateway_owned;
use sluice::plugin::edit;
use sluice::plugin::exchange::RequestHead;

/// Each line is an edit: a letter for which, then its words.
pub fn output(data: &[u8]) {
    let own = IdentityFields { subject: Some(HeaderName::from_static("x-user")), ..IdentityFields::default() };
    let mut head = RequestHead {
        method: Method::GET,
        scheme: "http",
        target: PathAndQuery::from_static("/"),
        headers: HeaderMap::new(),
    };
    for line in data.split(|byte| *byte == b'\n').take(256) {
        let Some((kind, words)) = line.split_first() else { continue };
        let text = String::from_utf8_lossy(words);
        let split = words.iter().position(|byte| *byte == b' ').unwrap_or(words.len());
        let (name, value) = (String::from_utf8_lossy(words.get(..split).unwrap_or_default()), words.get(split..));
        let value = value.unwrap_or_default();
        // Refusals go back to the plugin.
        let _ = match kind {
            b's' => edit::set_header(&mut head.headers, &name, value, &own),
            b'a' => edit::append_header(&mut head.headers, &name, value, &own),
            b'r' => edit::remove_header(&mut head.headers, &name, &own),
            b'm' => head.set_method(&text),
            b'p' => head.set_path(&text),
            b'q' => head.set_query((!text.is_empty()).then_some(&*text)),
            b'l' => {
                local(words, &name, value, &own);
                Ok(())
            }
            _ => Ok(()),
        };
        check(&head.headers, &own);
        assert!(head.target.path().starts_with('/') && head.target.as_str().is_ascii(), "{}", head.target);
        assert!(head.target.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{}", head.target);
        assert_ne!(head.method, Method::CONNECT);
    }
}

/// An answer of the plugin's own.
fn local(words: &[u8], name: &str, value: &[u8], own: &IdentityFields) {
    let status = words.iter().take(4).fold(0u16, |status, byte| status.wrapping_mul(7).wrapping_add(u16::from(*byte)));
    let Ok(answer) = edit::local_response(status, [(name, value)], Vec::new().into(), own) else { return };
    assert!((200..=599).contains(&answer.status.as_u16()));
    check(&answer.headers.into_iter().collect(), own);
}

fn check(headers: &HeaderMap, own: &IdentityFields) {
    assert!(headers.len() <= edit::MAX_FIELDS);
    let mut size = 0;
    for (name, value) in headers {
        size += name.as_str().len() + value.len();
        assert!(!is_gateway_owned(name, own), "{name}");
        assert!(!name.as_str().starts_with(':') && !name.as_str().contains([' ', '\r', '\n']), "{name}");
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{value:?}");
    }
    assert!(size <= edit::MAX_HEAD);
}
