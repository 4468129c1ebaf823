//! `PUBLIC KEY` in PEM (RFC 7468 section 13), and what kind of key is inside.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::algorithm::Family;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// The keys of a text, each in DER.
pub(crate) fn public_keys(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (body, after) = after.split_once(END).ok_or_else(|| format!("`{END}` is missing"))?;
        let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        keys.push(STANDARD.decode(body).map_err(|_| "a key isn't base64".to_owned())?);
        rest = after;
    }
    if text.contains("PRIVATE KEY") {
        return Err("there is a private key; the gateway needs the public one".into());
    }
    if keys.is_empty() { Err(format!("there is no `{BEGIN}`")) } else { Ok(keys) }
}

/// What kind of key a SubjectPublicKeyInfo holds, by the object identifiers at its start.
pub(crate) fn family(der: &[u8]) -> Option<Family> {
    let (0x30, info, _) = element(der)? else { return None };
    let (0x30, identifier, _) = element(info)? else { return None };
    let (0x06, algorithm, parameters) = element(identifier)? else { return None };
    match algorithm {
        // 1.2.840.113549.1.1.1
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => Some(Family::Rsa),
        // 1.2.840.10045.2.1, with a named curve
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => match element(parameters)? {
            (0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], _) => Some(Family::P256),
            (0x06, [0x2b, 0x81, 0x04, 0x00, 0x22], _) => Some(Family::P384),
            (0x06, [0x2b, 0x81, 0x04, 0x00, 0x23], _) => Some(Family::P521),
            _ => None,
        },
        // 1.3.101.112
        [0x2b, 0x65, 0x70] => Some(Family::Ed25519),
        _ => None,
    }
}

/// The first element of DER: tag, content, and what follows. Lengths up to 64 KiB.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
