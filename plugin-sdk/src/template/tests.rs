//! Rendering against the test double.

use super::*;
use crate::test::TestExchange;

fn exchange() -> TestExchange {
    TestExchange::get("/users/a?page=2&q=x+y%26z")
        .capture("id", "a b;é")
        .capture("up", "..")
        .capture("slash", "a/b")
        .capture("dot", ".")
        .header("x-tenant", "blue")
        .header("x-empty", "")
        .identity(crate::Identity::new("alice").issued_by("https://id"))
        .attribute("keys.tier", "gold")
}

fn target(template: &str) -> Result<String, RenderError> {
    let template = TargetTemplate::parse(template).unwrap();
    exchange().look(|request, exchange| template.render(request, exchange))
}

#[test]
fn renders_text() {
    let render = |text: &str| {
        let template = Template::parse(text).unwrap();
        exchange().look(|request, exchange| template.render(request, exchange))
    };
    assert_eq!(
        render("{identity.subject}@{client_address} {{{attribute:keys.tier}}}").unwrap(),
        "alice@192.0.2.1 {gold}"
    );
    assert_eq!(render("{identity.issuer} {header:x-tenant} {query:q}").unwrap(), "https://id blue x y&z");
    assert_eq!(render("plain").unwrap(), "plain");
    assert_eq!(render("{nothing}"), Err(RenderError::Missing("nothing".into())));
}

#[test]
fn encodes_in_targets() {
    assert_eq!(
        target("/v2/{id}/x-{id}?user={id}&page={query:page}").unwrap(),
        "/v2/a%20b%3B%C3%A9/x-a%20b%3B%C3%A9?user=a%20b%3B%C3%A9&page=2"
    );
    assert_eq!(target("/a?x={query:none}&y=1").unwrap(), "/a?y=1");
    assert_eq!(target("/a?x={query:none}").unwrap(), "/a");
    assert_eq!(target("/a?").unwrap(), "/a");
    assert_eq!(target("/a%20b/%C3%A9").unwrap(), "/a%20b/%C3%A9");
    assert_eq!(target("/").unwrap(), "/");
    assert_eq!(target("/a/").unwrap(), "/a/");
    assert_eq!(target("/a?q={up}{slash}").unwrap(), "/a?q=..a%2Fb");
}

#[test]
fn captures_cant_escape_their_segment() {
    for (template, variable) in [
        ("/a/{up}/b", "up"),
        ("/a/{dot}", "dot"),
        ("/a/.{dot}", "dot"),
        ("/a/{dot}{dot}/b", "dot"),
        ("/a/{slash}", "slash"),
        ("/a/{header:x-empty}", "header:x-empty"),
    ] {
        assert_eq!(target(template), Err(RenderError::Unsafe(variable.into())), "{template}");
    }
    assert_eq!(target("/a/x{up}").unwrap(), "/a/x..", "dots within a segment are harmless");
    assert_eq!(target("/a/{none}"), Err(RenderError::Missing("none".into())));
}

#[test]
fn refuses_what_is_no_template() {
    for (text, why) in [
        ("{", "`{` without `}`; write `{{` for a brace"),
        ("a}b", "`}` without `{`; write `}}` for a brace"),
        ("{a b}", "`{a b}` is no variable"),
        ("{}", "`{}` is no variable"),
        ("{cookie:x}", "`{cookie:x}` is no variable"),
        ("{header:}", "`{header:}` is no variable"),
    ] {
        assert_eq!(Template::parse(text).unwrap_err().to_string(), why);
    }
    for (text, why) in [
        ("users", "a path begins with `/`"),
        ("/a b", "the character ' ' must be percent-encoded"),
        ("/a/../b", "`..` has no place in a path"),
        ("/a/%2e%2E/b", "`%2e` has no place in a path"),
        ("/a%2", "`%` needs two hexadecimal digits after it"),
        ("/a%+1", "`%` needs two hexadecimal digits after it"),
    ] {
        assert_eq!(TargetTemplate::parse(text).unwrap_err().to_string(), why);
    }
}
