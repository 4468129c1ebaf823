//! Whatever comes in, the answer is a decision.

use proptest::prelude::*;
use sluice_plugin::test::MockHost;

use crate::{Algorithm, KeySet, pem, verify};

fn keys() -> KeySet {
    let set = br#"{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    KeySet::parse(set, |_, why| panic!("{why}")).unwrap()
}

proptest! {
    #[test]
    fn no_token_is_too_strange(token in ".*", parts in prop::collection::vec("[A-Za-z0-9_=-]{0,20}", 0..5)) {
        MockHost::new().run(|| {
            let keys = keys();
            prop_assert!(verify(&token, &keys, &Algorithm::ALL).is_err());
            prop_assert!(verify(&parts.join("."), &keys, &Algorithm::ALL).is_err());
            Ok(())
        })?;
    }

    #[test]
    fn no_key_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..80), text in ".*") {
        pem::family(&bytes);
        let _ = pem::public_keys(&text);
        let _ = pem::public_keys(&format!("-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----"));
        MockHost::new().run(|| {
            let _ = KeySet::parse(text.as_bytes(), |_, _| {});
            let _ = KeySet::parse(&bytes, |_, _| {});
        });
    }

    #[test]
    fn keys_are_read_or_skipped(kty in "RSA|EC|OKP|oct|x", crv in "P-256|P-384|P-521|Ed25519|x", value in "[A-Za-z0-9_-]{0,100}") {
        MockHost::new().run(|| {
            let key = sluice_plugin::serde_json::json!({
                "kty": kty, "crv": crv, "n": value, "e": "AQAB", "x": value, "y": value, "k": value,
            });
            let mut skipped = 0;
            let read = KeySet::read(key, |_, _| skipped += 1);
            prop_assert_eq!(read.is_err(), skipped == 1);
            Ok(())
        })?;
    }
}
