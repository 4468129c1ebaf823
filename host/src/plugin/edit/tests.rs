//! Legal edits happen, illegal ones change nothing and say why.

use super::*;

fn head() -> RequestHead {
    let mut headers = HeaderMap::new();
    headers.insert("x-a", HeaderValue::from_static("1"));
    headers.append("x-a", HeaderValue::from_static("2"));
    RequestHead { method: Method::GET, scheme: "http", target: PathAndQuery::from_static("/a?q=1"), headers }
}

fn own() -> IdentityFields {
    IdentityFields { subject: Some(HeaderName::from_static("x-user")), ..IdentityFields::default() }
}

#[test]
fn fields_are_set_added_and_removed() {
    let mut headers = head().headers;
    append_header(&mut headers, "X-A", b"3", &own()).unwrap();
    let all: Vec<_> = headers.get_all("x-a").iter().collect();
    assert_eq!(all, ["1", "2", "3"], "in order");
    set_header(&mut headers, "x-a", b"\xff only", &own()).unwrap();
    assert_eq!(headers.get_all("x-a").iter().count(), 1);
    assert_eq!(headers["x-a"].as_bytes(), b"\xff only");
    remove_header(&mut headers, "x-a", &own()).unwrap();
    assert!(headers.is_empty());
}

#[test]
fn illegal_fields_change_nothing() {
    let mut headers = head().headers;
    for (name, value) in [("x a", "1"), ("", "1"), (":path", "/"), ("x-b", "a\r\nb"), ("x-b", "a\0b"), ("x-a", "\n")] {
        let result = set_header(&mut headers, name, value.as_bytes(), &own());
        assert!(matches!(result, Err(EditError::Invalid(_))), "{name:?}: {value:?}");
        assert!(append_header(&mut headers, name, value.as_bytes(), &own()).is_err());
    }
    assert_eq!(headers, head().headers);
}

#[test]
fn the_gateways_fields_are_out_of_reach() {
    let mut headers = HeaderMap::new();
    for name in [
        "content-length",
        "Transfer-Encoding",
        "connection",
        "via",
        "cdn-loop",
        "x-forwarded-for",
        "host",
        "x-user",
        "X-User",
        "x_user",
    ] {
        assert_eq!(set_header(&mut headers, name, b"1", &own()), Err(EditError::Forbidden), "{name}");
        assert_eq!(append_header(&mut headers, name, b"1", &own()), Err(EditError::Forbidden), "{name}");
        assert_eq!(remove_header(&mut headers, name, &own()), Err(EditError::Forbidden), "{name}");
    }
    assert_eq!(set_header(&mut headers, "x-user", b"1", &IdentityFields::default()), Ok(()));
}

#[test]
fn heads_are_bounded() {
    let mut headers = HeaderMap::new();
    for index in 0..MAX_FIELDS {
        append_header(&mut headers, &format!("x-{index}"), b"", &own()).unwrap();
    }
    assert!(matches!(append_header(&mut headers, "x-0", b"", &own()), Err(EditError::TooLarge(_))));
    assert_eq!(set_header(&mut headers, "x-0", b"replaced", &own()), Ok(()), "no field more");
    let large = vec![b'a'; MAX_HEAD];
    let error = set_header(&mut HeaderMap::new(), "x", &large, &own()).unwrap_err();
    assert_eq!(error, EditError::TooLarge("the head would be longer than 65536 bytes".into()));
}

#[test]
fn method_path_and_query() {
    let mut head = head();
    head.set_method("PURGE").unwrap();
    assert_eq!(head.method, "PURGE");
    for method in ["", "GET POST", "CONNECT", "G\r\n", &"A".repeat(33)] {
        assert!(head.set_method(method).is_err(), "{method:?}");
    }
    head.set_path("/x//../b c/./ä").unwrap();
    assert_eq!(head.target, "/b%20c/%C3%A4?q=1", "as a client's would be");
    head.set_path("/b/c").unwrap();
    assert_eq!(head.target, "/b/c?q=1");
    head.set_query(Some("r=%20")).unwrap();
    assert_eq!(head.target, "/b/c?r=%20");
    head.set_query(None).unwrap();
    assert_eq!(head.target, "/b/c");
    for path in ["", "b", "/a?b", "/a#b", "/a%2fb", "/a\r\n", "/../b", "/a%00", "/a%", &"/a".repeat(MAX_TARGET)] {
        assert!(head.set_path(path).is_err(), "{path:?}");
    }
    for query in ["a b", "a#b", "a\nb", "ä"] {
        assert!(head.set_query(Some(query)).is_err(), "{query:?}");
    }
    assert_eq!(head.target, "/b/c");
}

#[test]
fn answers_are_checked() {
    let answer = |status, fields: &[(&str, &str)]| local_response(status, fields.iter().copied(), Bytes::new(), &own());
    let good = answer(403, &[("content-type", "text/plain"), ("set-cookie", "a"), ("set-cookie", "b")]).unwrap();
    assert_eq!((good.status, good.headers.len()), (StatusCode::FORBIDDEN, 3));
    assert_eq!(answer(199, &[]).unwrap_err(), "the status 199 isn't within 200 and 599");
    assert!(answer(600, &[]).is_err());
    assert_eq!(answer(200, &[("content-length", "1")]).unwrap_err(), "the field `content-length` is the gateway's own");
    assert!(answer(200, &[("x", "a\nb")]).unwrap_err().contains("control characters"));
}

#[test]
fn escape_sequences_stay_out_of_messages() {
    let error = set_header(&mut HeaderMap::new(), "\x1b[31m", b"", &own()).unwrap_err();
    assert_eq!(error, EditError::Invalid("`\\u{1b}[31m` is no field name".into()));
}
