//! Signatures made here, and what must not pass for a key or a signature.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};

use super::*;

const MESSAGE: &[u8] = b"header.payload";

#[test]
fn elliptic_curves_verify() {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let signature = pair.sign(&random, MESSAGE).unwrap();
    let point = PublicKey::Point(pair.public_key().as_ref().to_vec());
    let check = |algorithm, message: &[u8], signature: &[u8]| verify(algorithm, &point, message, signature);
    assert_eq!(check(SignatureAlgorithm::Es256, MESSAGE, signature.as_ref()), Ok(true));
    assert_eq!(check(SignatureAlgorithm::Es256, b"other", signature.as_ref()), Ok(false));
    assert_eq!(check(SignatureAlgorithm::Es256, MESSAGE, &[0; 64]), Ok(false), "zeros sign nothing");
    assert!(check(SignatureAlgorithm::Es384, MESSAGE, signature.as_ref()).is_err(), "another curve");
    assert!(check(SignatureAlgorithm::Rs256, MESSAGE, signature.as_ref()).is_err(), "another family");
    let mut off = pair.public_key().as_ref().to_vec();
    *off.last_mut().unwrap() ^= 1;
    assert!(verify(SignatureAlgorithm::Es256, &PublicKey::Point(off), MESSAGE, signature.as_ref()).is_err());
}

#[test]
fn edwards_curves_verify() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let signature = pair.sign(MESSAGE);
    let key = PublicKey::Point(pair.public_key().as_ref().to_vec());
    assert_eq!(verify(SignatureAlgorithm::Eddsa, &key, MESSAGE, signature.as_ref()), Ok(true));
    assert_eq!(verify(SignatureAlgorithm::Eddsa, &key, b"", signature.as_ref()), Ok(false));
}

#[test]
fn rsa_verifies_in_both_paddings_and_both_forms() {
    let random = SystemRandom::new();
    let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let sign = |padding| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(padding, &random, MESSAGE, &mut signature).unwrap();
        signature
    };
    let (pkcs1, pss) = (sign(&RSA_PKCS1_SHA256), sign(&RSA_PSS_SHA256));
    let public = pair.public_key();
    // An RSAPublicKey in DER (RFC 8017 appendix A.1.1): the modulus, and 65537 at the end.
    let der = public.as_ref();
    let (n, exponent) = (&der[9..9 + 256], &der[der.len() - 3..]);
    let rsa = |padding: usize, exponent: &[u8]| {
        let mut modulus = vec![0; padding];
        modulus.extend(n);
        PublicKey::Rsa(RsaKey { modulus, exponent: exponent.to_vec() })
    };
    let spki = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(public).unwrap();
    for key in [rsa(0, exponent), rsa(1, exponent), PublicKey::Spki(spki.as_ref().to_vec())] {
        assert_eq!(verify(SignatureAlgorithm::Rs256, &key, MESSAGE, &pkcs1), Ok(true));
        assert_eq!(verify(SignatureAlgorithm::Ps256, &key, MESSAGE, &pss), Ok(true));
        assert_eq!(verify(SignatureAlgorithm::Ps256, &key, MESSAGE, &pkcs1), Ok(false), "paddings don't mix");
        assert_eq!(verify(SignatureAlgorithm::Rs384, &key, MESSAGE, &pkcs1), Ok(false), "nor do digests");
    }
    for exponent in [&b""[..], &[1], &[2], &[1, 0, 0, 0, 1]] {
        assert!(verify(SignatureAlgorithm::Rs256, &rsa(0, exponent), MESSAGE, &pkcs1).is_err(), "{exponent:?}");
    }
}

#[test]
fn keys_of_a_wrong_size_are_refused() {
    let key = |bytes| PublicKey::Rsa(RsaKey { modulus: vec![0xff; bytes], exponent: vec![1, 0, 1] });
    for bytes in [0, 128, 255, 1025] {
        let error = verify(SignatureAlgorithm::Rs256, &key(bytes), MESSAGE, &[]).unwrap_err();
        assert!(error.contains("2048"), "{error}");
    }
    assert!(verify(SignatureAlgorithm::Rs256, &PublicKey::Spki(vec![0x30; 5000]), MESSAGE, &[]).is_err());
    for bytes in [128, 1025] {
        let key = PublicKey::Spki(rsa_spki(bytes));
        for algorithm in [SignatureAlgorithm::Rs256, SignatureAlgorithm::Ps512] {
            let error = verify(algorithm, &key, MESSAGE, &vec![1; bytes]).unwrap_err();
            assert!(error.contains("2048"), "{error}");
        }
    }
    let right = PublicKey::Spki(rsa_spki(256));
    assert_eq!(verify(SignatureAlgorithm::Rs256, &right, MESSAGE, &[]), Ok(false));
    for (algorithm, sizes) in [
        (SignatureAlgorithm::Eddsa, [0, 31, 33, 64]),
        (SignatureAlgorithm::Es256, [0, 32, 64, 66]),
        (SignatureAlgorithm::Es512, [0, 65, 132, 134]),
    ] {
        for size in sizes {
            assert!(verify(algorithm, &PublicKey::Point(vec![4; size]), MESSAGE, &[]).is_err(), "{algorithm:?} {size}");
        }
    }
}

/// A SubjectPublicKeyInfo with an odd modulus of so many bytes, and the exponent 65537.
fn rsa_spki(bytes: usize) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        let length = match (high, low) {
            (0, 0..128) => vec![low],
            (0, _) => vec![0x81, low],
            _ => vec![0x82, high, low],
        };
        [&[tag], &length[..], content].concat()
    };
    let modulus = element(2, &[&[0][..], &vec![0xff; bytes]].concat());
    let key = element(0x30, &[modulus, element(2, &[1, 0, 1])].concat());
    let algorithm = element(0x30, &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0]);
    element(0x30, &[algorithm, element(3, &[&[0][..], &key].concat())].concat())
}

#[test]
fn no_message_and_no_secret_is_too_short_and_some_are_too_long() {
    for bytes in [0, 1, 64, 65, 129, MAX_MESSAGE] {
        let message = vec![0; bytes];
        assert!(bounded(&message).is_ok());
        assert_eq!(hmac::sign(&hmac::Key::new(mac(DigestAlgorithm::Sha256), &message), b"").as_ref().len(), 32);
    }
    assert!(bounded(&vec![0; MAX_MESSAGE + 1]).is_err());
    for (a, b, same) in [(&b""[..], &b""[..], true), (b"a", b"", false), (b"a", b"b", false), (b"ab", b"ab", true)] {
        assert_eq!(constant_time::verify_slices_are_equal(a, b).is_ok(), same);
    }
}
