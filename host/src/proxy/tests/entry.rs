//! What is refused at the door, and what is changed there.

use super::gateway::{Gateway, Raw, Wanted, ask, field, mirror, respond, route, start};
use crate::config::model::Timeouts;
use crate::upstream::tests::support::on_thread;

async fn mirrored() -> Gateway {
    start(Wanted::all_to(&[mirror().await], Timeouts::default()))
}

#[test]
fn hosts_have_to_be_one_and_well_formed() {
    on_thread(async {
        let gateway = mirrored().await;
        for (request, status) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost:\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\n\r\n", 200),
        ] {
            let answer = ask(&gateway, request).await;
            assert_eq!(answer.status(), status, "{request}");
            if status == 400 {
                assert_eq!(answer.field("content-type"), Some("application/problem+json"));
                assert!(answer.body.contains(answer.field("x-request-id").unwrap()), "{}", answer.body);
            }
        }
        let absolute = ask(&gateway, "GET http://b/x?y HTTP/1.1\r\nhost: B:80\r\n\r\n").await;
        assert!(absolute.body.starts_with("GET /x?y HTTP/1.1\r\n"), "{}", absolute.body);
        assert_eq!(field(&absolute.body, "host"), Some("b"));
    });
}

#[test]
fn paths_are_normal_before_they_are_matched_or_sent_on() {
    on_thread(async {
        let gateway = start(
            Wanted::all_to(&[mirror().await], Timeouts::default())
                .route(route("admin", Some("admin")), respond("admin")),
        );
        assert_eq!(ask(&gateway, "GET /x//../%61dmin/ HTTP/1.1\r\nhost: a\r\n\r\n").await.body, "admin");
        let sent = ask(&gateway, "GET /a//b/./%7ec?q=%2e HTTP/1.1\r\nhost: a\r\n\r\n").await.body;
        assert!(sent.starts_with("GET /a/b/~c?q=%2e HTTP/1.1\r\n"), "{sent}");
        for bad in ["/a%2fb", "/..", "/%2e%2e/admin", "/a%", "*"] {
            let answer = ask(&gateway, &format!("OPTIONS {bad} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
            assert_eq!(answer.status(), 400, "{bad}");
        }
    });
}

#[test]
fn fields_the_client_has_no_right_to_send_are_removed_and_ours_are_set() {
    on_thread(async {
        let gateway = mirrored().await;
        let request = "GET / HTTP/1.1\r\nhost: a:80\r\nx-user: root\r\nx_user: root\r\nx-forwarded-for: 1.2.3.4\r\n\
            forwarded: for=1.2.3.4\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: 5\r\nte: trailers, gzip\r\n\
            x-request-id: mine\r\nx-kept: 1\r\nexpect: 100-continue\r\n\r\n";
        let answer = ask(&gateway, request).await;
        let sent = &answer.body;
        for gone in ["x-user", "x_user", "x-hop", "keep-alive", "expect"] {
            assert_eq!(field(sent, gone), None, "{sent}");
        }
        for (name, value) in [
            ("x-kept", "1"),
            ("host", "a:80"),
            ("te", "trailers"),
            ("connection", "te"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "a:80"),
            ("forwarded", "for=127.0.0.1;host=\"a:80\";proto=http"),
            ("via", "1.1 sluice"),
            ("cdn-loop", "sluice"),
        ] {
            assert_eq!(field(sent, name), Some(value), "{name} in {sent}");
        }
        let id = field(sent, "x-request-id").unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(answer.field("x-request-id"), Some(id));
        assert_eq!(answer.field("via"), Some("1.1 sluice"));
        assert_eq!(answer.field("x-up"), Some("1"));
    });
}

#[test]
fn trusted_proxies_are_believed() {
    on_thread(async {
        let mut wanted = Wanted::all_to(&[mirror().await], Timeouts::default());
        wanted.trusted = vec!["127.0.0.0/8".parse().unwrap()];
        let gateway = start(wanted);
        let request =
            "GET / HTTP/1.1\r\nhost: a\r\nx-user: root\r\nx-forwarded-for: 1.2.3.4\r\nx-request-id: mine\r\n\r\n";
        let sent = ask(&gateway, request).await.body;
        assert_eq!(field(&sent, "x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
        assert_eq!(field(&sent, "x-request-id"), Some("mine"));
        assert_eq!(field(&sent, "x-user"), None, "identities are nobody's to send");
    });
}

#[test]
fn connect_is_refused_and_only_websockets_are_asked_for() {
    on_thread(async {
        let gateway = mirrored().await;
        assert_eq!(ask(&gateway, "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n").await.status(), 501);
        for request in [
            "GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: foo/2\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: a\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 1\r\n\r\na",
        ] {
            let answer = ask(&gateway, request).await;
            assert_eq!(answer.status(), 200, "{request}");
            for name in ["upgrade", "http2-settings", "connection"] {
                assert_eq!(field(&answer.body, name), None, "{request}");
            }
        }
    });
}

#[test]
fn connection_cannot_name_end_to_end_fields() {
    on_thread(async {
        let gateway = mirrored().await;
        let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: cookie\r\ncookie: a=b\r\n\r\n";
        assert_eq!(ask(&gateway, request).await.status(), 400);
    });
}

#[test]
fn loops_end() {
    on_thread(async {
        let gateway = mirrored().await;
        let request = "GET / HTTP/1.1\r\nhost: a\r\ncdn-loop: other, sluice\r\n\r\n";
        assert_eq!(ask(&gateway, request).await.status(), 508);
        let other = ask(&gateway, "GET / HTTP/1.1\r\nhost: a\r\ncdn-loop: other\r\n\r\n").await;
        assert_eq!(field(&other.body, "cdn-loop"), Some("other, sluice"));
    });
}

#[test]
fn no_route_is_404_and_no_method_is_405() {
    on_thread(async {
        let mut only_get = route("a", Some("a"));
        only_get.matcher.methods = vec![http::Method::GET];
        let gateway = start(Wanted::default().route(only_get, respond("a")));
        assert_eq!(ask(&gateway, "GET /b HTTP/1.1\r\nhost: a\r\n\r\n").await.status(), 404);
        let wrong = ask(&gateway, "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!((wrong.status(), wrong.field("allow")), (405, Some("GET, HEAD")));
        let mut raw = Raw::connect(&gateway).await;
        raw.send("HEAD /a HTTP/1.1\r\nhost: a\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(field(&raw.head().await, "content-length"), Some("1"));
        assert_eq!(raw.answer().await.body, "a", "no body came before");
    });
}
