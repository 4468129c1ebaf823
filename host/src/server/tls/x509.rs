//! Reads of a certificate what people and policies want to know (RFC 5280, section 4.1): names, validity, serial
//! number. It verifies nothing, which rustls does.

/// What a certificate says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct X509<'a> {
    /// The serial number's bytes.
    pub serial: &'a [u8],
    /// Distinguished names as RFC 4514 writes them.
    pub issuer: String,
    pub subject: String,
    /// The subject's common names.
    pub common_names: Vec<String>,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
    pub names: Vec<Name<'a>>,
}

/// An alternative name of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Dns(&'a str),
    Uri(&'a str),
    Email(&'a str),
}

// Tags of DER.
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// `subjectAltName`
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// Attributes with short names (RFC 4514, section 3).
const ATTRIBUTES: [(&[u8], &str); 10] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], "emailAddress"),
];

/// What is left of an encoding.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value, whatever it is.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..0x80 => (usize::from(short), rest),
            long => {
                let count = usize::from(long & 0x7f);
                let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
                (digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit)), rest.get(count..)?)
            }
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, value))
    }

    /// The next value, which has to be of that kind.
    fn one(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }

    /// The next value if it is of that kind.
    fn maybe(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.one(tag) } else { None }
    }
}

impl<'a> X509<'a> {
    /// Read a certificate in DER; none if it isn't one.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut whole = Reader(Reader(der).one(SEQUENCE)?);
        let mut certificate = Reader(whole.one(SEQUENCE)?);
        certificate.maybe(VERSION);
        let serial = certificate.one(INTEGER)?;
        certificate.one(SEQUENCE)?;
        let issuer = distinguished(certificate.one(SEQUENCE)?)?;
        let mut validity = Reader(certificate.one(SEQUENCE)?);
        let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
        let subject = distinguished(certificate.one(SEQUENCE)?)?;
        certificate.one(SEQUENCE)?;
        let mut names = Vec::new();
        while let Some((tag, value)) = certificate.any() {
            if tag == EXTENSIONS {
                names = alternative_names(value)?;
            }
        }
        Some(Self {
            serial: serial.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(serial),
            issuer: show(&issuer),
            common_names: subject.iter().filter(|part| part.0 == COMMON_NAME).map(|part| part.1.clone()).collect(),
            subject: show(&subject),
            not_before,
            not_after,
            names,
        })
    }
}

/// The attributes of a name, in order.
fn distinguished(sequence: &[u8]) -> Option<Vec<(&[u8], String)>> {
    let mut parts = Vec::new();
    let mut sequence = Reader(sequence);
    while !sequence.0.is_empty() {
        let mut set = Reader(sequence.one(SET)?);
        while !set.0.is_empty() {
            let mut pair = Reader(set.one(SEQUENCE)?);
            let kind = pair.one(OID)?;
            parts.push((kind, text(pair.any()?)));
        }
    }
    Some(parts)
}

fn text((tag, value): (u8, &[u8])) -> String {
    const BMP: u8 = 0x1e;
    if tag == BMP {
        let units = value.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
        return char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    String::from_utf8_lossy(value).into_owned()
}

/// As RFC 4514 has it: the last one first. An attribute without a short name shows its bytes.
fn show(parts: &[(&[u8], String)]) -> String {
    let one = |(kind, value): &(&[u8], String)| {
        let known = ATTRIBUTES.iter().find(|(oid, _)| oid == kind).map(|(_, name)| (*name).to_owned());
        let name = known.unwrap_or_else(|| format!("#{}", super::facts::hexadecimal(kind)));
        let mut shown = name + "=";
        for (place, character) in value.char_indices() {
            match character {
                ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => shown.extend(['\\', character]),
                ' ' | '#' if place == 0 => shown.extend(['\\', character]),
                ' ' if place + 1 == value.len() => shown.push_str("\\ "),
                control if control.is_control() => shown.extend(control.escape_default()),
                other => shown.push(other),
            }
        }
        shown
    };
    parts.iter().rev().map(one).collect::<Vec<_>>().join(",")
}

/// Seconds since 1970 of a `UTCTime` or `GeneralizedTime`, which certificates write to the second and in UTC.
fn time((tag, value): (u8, &[u8])) -> Option<i64> {
    const UTC: u8 = 0x17;
    const GENERALIZED: u8 = 0x18;
    let digits = value.strip_suffix(b"Z").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let number = |bytes: &[u8]| bytes.iter().fold(0i64, |number, digit| number * 10 + i64::from(*digit - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        (UTC, 12) => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED, 14) => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    let [month, day, hour, minute, second] = rest.as_chunks::<2>().0 else { return None };
    let (month, day) = (number(month), number(day));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 by counting years from March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
            - 719_469;
    Some(((days * 24 + number(hour)) * 60 + number(minute)) * 60 + number(second))
}

/// The alternative names among extensions. Kinds that nobody asks for here are left out.
fn alternative_names(extensions: &[u8]) -> Option<Vec<Name<'_>>> {
    let mut names = Vec::new();
    let mut extensions = Reader(Reader(extensions).one(SEQUENCE)?);
    while !extensions.0.is_empty() {
        let mut extension = Reader(extensions.one(SEQUENCE)?);
        let kind = extension.one(OID)?;
        extension.maybe(BOOLEAN);
        let value = extension.one(OCTETS)?;
        if kind != ALTERNATIVE_NAMES {
            continue;
        }
        let mut list = Reader(Reader(value).one(SEQUENCE)?);
        while !list.0.is_empty() {
            let (tag, value) = list.any()?;
            let text = str::from_utf8(value).ok();
            let name = match tag {
                0x81 => text.map(Name::Email),
                0x82 => text.map(Name::Dns),
                0x86 => text.map(Name::Uri),
                _ => None,
            };
            names.extend(name);
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn made() -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://a/b".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("a@b".try_into().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.distinguished_name.push(DnType::OrganizationName, "Smith, Jones + Söhne");
        params.distinguished_name.push(DnType::CommonName, " alice");
        params.serial_number = Some(vec![0xab, 0x01].into());
        params.not_before = date_time_ymd(2000, 2, 29);
        params.not_after = date_time_ymd(2077, 12, 31);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_says_who_when_and_for_what() {
        let der = made();
        let read = X509::read(&der).unwrap();
        assert_eq!(read.serial, [0xab, 0x01]);
        let parts: Vec<&str> = read.subject.split(",CN=").collect();
        assert!(read.subject.contains("CN=\\ alice"), "{parts:?}");
        assert!(read.subject.contains("O=Smith\\, Jones \\+ Söhne"), "{parts:?}");
        assert_eq!(read.issuer, read.subject);
        assert!(read.common_names.contains(&" alice".to_owned()));
        assert_eq!((read.not_before, read.not_after), (951_782_400, 3_408_134_400));
        assert_eq!(read.names, [Name::Dns("a.example.com"), Name::Uri("spiffe://a/b"), Name::Email("a@b")]);
    }

    #[test]
    fn times_of_both_kinds() {
        assert_eq!(time((0x17, b"700101000000Z")), Some(0));
        assert_eq!(time((0x17, b"491231235959Z")), Some(2_524_607_999));
        assert_eq!(time((0x18, b"20240229120000Z")), Some(1_709_208_000));
        assert_eq!(time((0x18, b"19691231235959Z")), Some(-1));
        for bad in [&b"700101000000"[..], b"7001010000Z", b"701301000000Z", b"70010100000xZ", b""] {
            assert_eq!(time((0x17, bad)), None);
        }
    }

    proptest! {
        #[test]
        fn anything_else_is_no_trouble(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            X509::read(&bytes);
        }

        #[test]
        fn a_damaged_one_is_no_trouble(place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let mut der = made();
            *place.get_mut(&mut der) = byte;
            X509::read(&der);
        }
    }
}
