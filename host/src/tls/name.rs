//! Distinguished names, as a text that no two of them share (RFC 4514).

use super::der::{OID, Reader, SEQUENCE, SET, Value, dotted};
use super::hexadecimal;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// Attributes with registered short names.
const SHORT: [(&[u8], &str); 11] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x09], "STREET"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], "emailAddress"),
];

/// A name: its parts in order, each of one attribute or more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distinguished<'a>(Vec<Vec<Attribute<'a>>>);

#[derive(Debug, PartialEq, Eq)]
struct Attribute<'a> {
    kind: &'a [u8],
    /// None if it is no text, or can't be read as one.
    text: Option<String>,
    encoded: &'a [u8],
}

impl<'a> Distinguished<'a> {
    /// Read the content of a `Name` (RFC 5280, section 4.1.2.4); none if it isn't one.
    pub fn read(content: &'a [u8]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut sequence = Reader(content);
        while !sequence.is_empty() {
            let mut set = Reader(sequence.one(SET)?);
            let mut part = Vec::new();
            while !set.is_empty() {
                let mut pair = Reader(set.one(SEQUENCE)?);
                let (kind, value) = (pair.one(OID)?, pair.any()?);
                part.push(Attribute { kind, text: text(value), encoded: value.encoded });
            }
            parts.push(part);
        }
        Some(Self(parts))
    }

    pub fn common_names(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flatten()
            .filter(|attribute| attribute.kind == COMMON_NAME)
            .filter_map(|name| name.text.as_deref())
    }

    /// The last part first. None if an attribute's kind isn't an object identifier.
    pub fn show(&self) -> Option<String> {
        let part = |part: &Vec<Attribute<'_>>| Some(part.iter().map(show).collect::<Option<Vec<_>>>()?.join("+"));
        Some(self.0.iter().rev().map(part).collect::<Option<Vec<_>>>()?.join(","))
    }
}

fn text(value: Value<'_>) -> Option<String> {
    const BMP: u8 = 0x1e;
    match value.tag {
        // UTF-8, and what is mostly ASCII.
        0x0c | 0x12 | 0x13 | 0x14 | 0x16 | 0x1a => str::from_utf8(value.content).ok().map(str::to_owned),
        BMP => {
            let (units, []) = value.content.as_chunks::<2>() else { return None };
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// `CN=alice`; `2.5.4.17=#1303…` where there is no short name or no text.
fn show(attribute: &Attribute<'_>) -> Option<String> {
    let short = SHORT.iter().find(|(kind, _)| *kind == attribute.kind).map(|(_, name)| *name);
    Some(match (short, &attribute.text) {
        (Some(name), Some(text)) => format!("{name}={}", escape(text)),
        (Some(name), None) => format!("{name}=#{}", hexadecimal(attribute.encoded)),
        (None, _) => format!("{}=#{}", dotted(attribute.kind)?, hexadecimal(attribute.encoded)),
    })
}

fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (place, character) in text.char_indices() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => shown.extend(['\\', character]),
            ' ' | '#' if place == 0 => shown.extend(['\\', character]),
            ' ' if place + 1 == text.len() => shown.push_str("\\ "),
            control if control.is_control() => {
                for byte in control.encode_utf8(&mut [0; 4]).bytes() {
                    shown.push('\\');
                    shown.push_str(&hexadecimal(&[byte]));
                }
            }
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn attribute(kind: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        tagged(SEQUENCE, &[tagged(OID, kind), tagged(tag, value)].concat())
    }

    fn shown(parts: &[&[Vec<u8>]]) -> Option<String> {
        let content: Vec<u8> = parts.iter().flat_map(|part| tagged(SET, &part.concat())).collect();
        Distinguished::read(&content)?.show()
    }

    const UTF8: u8 = 0x0c;

    #[test]
    fn parts_are_told_from_attributes_of_one_part() {
        let (o, cn) = (attribute(&[0x55, 4, 10], UTF8, b"x"), attribute(COMMON_NAME, UTF8, b"alice"));
        assert_eq!(shown(&[std::slice::from_ref(&o), std::slice::from_ref(&cn)]).as_deref(), Some("CN=alice,O=x"));
        assert_eq!(shown(&[&[o, cn]]).as_deref(), Some("O=x+CN=alice"));
    }

    #[test]
    fn values_never_look_like_names() {
        for (value, expected) in [
            ("a,CN=b", "CN=a\\,CN\\=b"),
            (" a ", "CN=\\ a\\ "),
            ("#1", "CN=\\#1"),
            ("a\n\0\u{85}", "CN=a\\0a\\00\\c2\\85"),
            ("", "CN="),
        ] {
            assert_eq!(shown(&[&[attribute(COMMON_NAME, UTF8, value.as_bytes())]]).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_has_no_name_or_no_text_shows_its_encoding() {
        let postal = attribute(&[0x55, 4, 17], UTF8, b"1");
        assert_eq!(shown(&[&[postal]]).as_deref(), Some("2.5.4.17=#0c0131"));
        let broken = [attribute(COMMON_NAME, UTF8, b"\xff"), attribute(COMMON_NAME, 0x1e, &[0xd8, 0, 1])];
        assert_eq!(shown(&[&broken]).as_deref(), Some("CN=#0c01ff+CN=#1e03d80001"));
        assert_eq!(shown(&[&[attribute(COMMON_NAME, 0x1e, &[0, 0x61, 0x20, 0xac])]]).as_deref(), Some("CN=a\u{20ac}"));
        assert_eq!(shown(&[&[attribute(&[0x80], UTF8, b"1")]]), None);
    }
}
