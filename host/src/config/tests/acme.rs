//! `[acme]`, and `tls.acme` of listeners

use super::*;
use crate::config::model::{AcmeChallenge, Certificates};

/// A listener whose certificate is obtained for these names, after `top`.
fn secure(top: &str, names: &str) -> String {
    format!("{top}\n[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\ntls = {{ acme = {names} }}\n")
}

#[test]
fn each_authority_has_a_folder_and_each_set_of_names_a_file() {
    let file = |top: &str, names: &str| {
        let directory = tempfile::tempdir().unwrap();
        let config = read_in(directory.path(), &secure(top, names)).unwrap();
        let Certificates::Acme(certificate) = config.listeners[0].tls.clone().unwrap().certificates else {
            panic!("it is obtained")
        };
        assert_eq!(config.acme_certificates(), [&certificate]);
        let file = certificate.files.certificate.strip_prefix(directory.path()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let lets_encrypt = ".sluice-acme/acme-v02.api.letsencrypt.org_directory";
    assert_eq!(file("", "[\"WWW.example.com\"]"), format!("{lets_encrypt}/www.example.com.pem"));
    let staging = "[acme]\ndirectory = \"https://staging.example.org:444/dir\"\nstorage = \"kept\"";
    assert_eq!(file(staging, "[\"a.example.com\"]"), "kept/staging.example.org_444_dir/a.example.com.pem");
    let two = file("", "[\"a.example.com\", \"b.example.com\"]");
    assert!(two.starts_with(&format!("{lets_encrypt}/a.example.com-")), "{two}");
    assert_ne!(two, file("", "[\"a.example.com\", \"c.example.com\"]"));
}

#[test]
fn what_is_not_written_has_defaults_and_what_nobody_uses_is_not_there() {
    let config = read(&secure("", "[\"a.example.com\"]")).unwrap();
    let acme = config.acme.unwrap();
    assert_eq!(acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!((acme.challenge, acme.ca), (AcmeChallenge::TlsAlpn01, None));
    let plain = "[acme]\ncontact = [\"mailto:a@example.com\"]\n[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n";
    assert_eq!(read(plain).unwrap().acme, None);
}

#[test]
fn what_no_authority_would_give_is_refused() {
    let refused = |names: &str, message: &str| {
        let message = format!("sluice.toml:5: listener \"a\": tls.acme: {message}");
        assert_refused(read(&secure("", names)), &[&message]);
    };
    refused("[]", "expected at least one name; write acme = [\"www.example.com\"]");
    refused(
        "[\"*.example.com\"]",
        "\"*.example.com\" has a wildcard, which only a challenge over DNS could prove; \
         list the names, or obtain the certificate otherwise and name its files",
    );
    refused(
        "[\"127.0.0.1\"]",
        "\"127.0.0.1\" is an address, which authorities give no certificates for this way; write a name",
    );
    for name in ["a b", "-a.example.com", "a..example.com", ""] {
        assert!(read(&secure("", &format!("[\"{name}\"]"))).is_err(), "{name}");
    }
    assert_refused(
        read(&secure("[acme]\ndirectory = \"http://localhost/dir\"", "[\"a.example.com\"]")),
        &["sluice.toml:2: acme.directory: expected a URL with https, found \"http://localhost/dir\"; \
           write the authority's, such as \"https://acme-v02.api.letsencrypt.org/directory\""],
    );
    assert_refused(
        read(&secure("[acme]\ncontact = [\"ops@example.com\"]", "[\"a.example.com\"]")),
        &["sluice.toml:2: acme.contact: expected an address such as \"mailto:ops@example.com\", \
           found \"ops@example.com\"; write mailto: before it"],
    );
    assert_refused(
        read(&secure("[acme]\nchallenge = \"http-01\"", "[\"a.example.com\"]")),
        &["sluice.toml:2: acme: challenge: wants a listener without tls, where the authority asks on port 80; \
           add one, or write challenge = \"tls-alpn-01\""],
    );
    let stream = "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\nprotocol = \"tcp\"\ncluster = \"c\"\n\
                  tls = { acme = [\"a.example.com\"] }\n[[cluster]]\nname = \"c\"\nendpoints = [\"127.0.0.1:2\"]\n";
    assert_refused(
        read(stream),
        &["sluice.toml:6: listener \"a\": tls.acme: a listener for byte streams can't be asked for the challenge \
           \"tls-alpn-01\"; write challenge = \"http-01\" in [acme]"],
    );
    let both = "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n\
                tls = { acme = [\"a.example.com\"], certificate = \"c.pem\", key = \"k.pem\" }\n";
    assert_refused(
        read(both),
        &[
            "sluice.toml:4: listener \"a\": tls.certificate: stands beside acme; remove one of both",
            "sluice.toml:4: listener \"a\": tls.key: stands beside acme; remove one of both",
        ],
    );
}
