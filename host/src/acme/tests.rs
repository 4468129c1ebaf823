//! What is kept on disk. Orders are tested against a real authority, with whole gateways.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::config::model::CertificateFiles;

fn certificate(file: &Path, names: &[&str]) -> AcmeCertificate {
    AcmeCertificate {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        files: CertificateFiles { certificate: file.to_owned(), key: file.to_owned() },
    }
}

#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority/a.pem");
    let wanted = certificate(&file, &["a.example.com", "b.example.com"]);
    assert_eq!(storage::due(&wanted, now()), Duration::ZERO);

    let mut made = rcgen::CertificateParams::new(wanted.names.clone()).unwrap();
    made.not_before = rcgen::date_time_ymd(2030, 1, 1);
    made.not_after = rcgen::date_time_ymd(2030, 4, 1);
    let (begin, end) = (made.not_before.unix_timestamp(), made.not_after.unix_timestamp());
    let key = rcgen::KeyPair::generate().unwrap();
    let content = format!("{}{}", key.serialize_pem(), made.self_signed(&key).unwrap().pem());
    storage::keep(&file, &content).unwrap();

    let day = |count: u64| Duration::from_secs(count * 24 * 3600);
    assert_eq!(storage::due(&wanted, begin), day(60));
    assert_eq!(storage::due(&wanted, begin + 59 * 24 * 3600), day(1));
    assert_eq!(storage::due(&wanted, end - 24 * 3600), Duration::ZERO);
    assert_eq!(storage::due(&wanted, end + 1), Duration::ZERO);
    assert_eq!(storage::due(&certificate(&file, &["a.example.com"]), begin), day(60));
    assert_eq!(storage::due(&certificate(&file, &["c.example.com"]), begin), Duration::ZERO);
    std::fs::write(&file, "damaged").unwrap();
    assert_eq!(storage::due(&wanted, begin), Duration::ZERO);
}

#[test]
fn what_is_kept_is_for_the_gateway_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority/a.pem");
    // As a crash leaves it.
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(file.with_extension("new"), "half").unwrap();
    for content in ["one", "another"] {
        storage::keep(&file, content).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(!file.with_extension("new").exists());
}

#[test]
fn a_damaged_account_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    assert!(storage::account(&file).unwrap().is_none());
    std::fs::write(&file, "{ \"id\": \"secret\", \"key_pkcs8\": \"c2VjcmV0").unwrap();
    let Err(error) = storage::account(&file) else { panic!("it was taken") };
    let text = error.to_string();
    assert!(text.contains("account.json") && text.contains("line 1") && !text.contains("secret"), "{text}");
}
