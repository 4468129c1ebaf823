//! Reads of a certificate what people and policies want to know (RFC 5280, section 4.1): names, validity, serial
//! number. It verifies nothing, which rustls does.

use super::der::{BOOLEAN, INTEGER, OCTETS, OID, Reader, SEQUENCE, Value};
use super::name::Distinguished;

/// What a certificate says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct X509<'a> {
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
pub(crate) enum Name<'a> {
    Dns(&'a str),
    Uri(&'a str),
    Email(&'a str),
}

const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// `subjectAltName`
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

impl<'a> X509<'a> {
    /// Read a certificate in DER; none if it isn't one.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut whole = Reader(Reader(der).one(SEQUENCE)?);
        let mut certificate = Reader(whole.one(SEQUENCE)?);
        certificate.maybe(VERSION);
        let serial = certificate.one(INTEGER)?;
        certificate.one(SEQUENCE)?;
        let issuer = Distinguished::read(certificate.one(SEQUENCE)?)?;
        let mut validity = Reader(certificate.one(SEQUENCE)?);
        let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
        let subject = Distinguished::read(certificate.one(SEQUENCE)?)?;
        certificate.one(SEQUENCE)?;
        let mut names = Vec::new();
        while !certificate.is_empty() {
            let field = certificate.any()?;
            if field.tag == EXTENSIONS {
                names = alternative_names(field.content)?;
            }
        }
        Some(Self {
            serial: serial.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(serial),
            issuer: issuer.show()?,
            common_names: subject.common_names().map(str::to_owned).collect(),
            subject: subject.show()?,
            not_before,
            not_after,
            names,
        })
    }
}

/// Seconds since 1970 of a `UTCTime` or `GeneralizedTime`, which certificates write to the second and in UTC.
fn time(value: Value<'_>) -> Option<i64> {
    const UTC: u8 = 0x17;
    const GENERALIZED: u8 = 0x18;
    let digits = value.content.strip_suffix(b"Z").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let number = |bytes: &[u8]| bytes.iter().fold(0i64, |number, digit| number * 10 + i64::from(*digit - b'0'));
    let (year, rest) = match (value.tag, digits.len()) {
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
    let (hour, minute, second) = (number(hour), number(minute), number(second));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970 by counting years from March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
            - 719_469;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// The alternative names among extensions. Kinds that nobody asks for here are left out, and names of other characters
/// than DNS, URIs and addresses of mail have: in a list of names, one with a blank could look like two.
fn alternative_names(extensions: &[u8]) -> Option<Vec<Name<'_>>> {
    let mut names = Vec::new();
    let mut extensions = Reader(Reader(extensions).one(SEQUENCE)?);
    while !extensions.is_empty() {
        let mut extension = Reader(extensions.one(SEQUENCE)?);
        let kind = extension.one(OID)?;
        extension.maybe(BOOLEAN);
        let value = extension.one(OCTETS)?;
        if kind != ALTERNATIVE_NAMES {
            continue;
        }
        let mut list = Reader(Reader(value).one(SEQUENCE)?);
        while !list.is_empty() {
            let Value { tag, content, .. } = list.any()?;
            let text = str::from_utf8(content).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
            names.extend(text.and_then(|text| match tag {
                0x81 => Some(Name::Email(text)),
                0x82 => Some(Name::Dns(text)),
                0x86 => Some(Name::Uri(text)),
                _ => None,
            }));
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
        assert_eq!(read.subject, "O=Smith\\, Jones \\+ Söhne,CN=\\ alice");
        assert_eq!(read.issuer, read.subject);
        assert_eq!(read.common_names, [" alice"]);
        assert_eq!((read.not_before, read.not_after), (951_782_400, 3_408_134_400));
        assert_eq!(read.names, [Name::Dns("a.example.com"), Name::Uri("spiffe://a/b"), Name::Email("a@b")]);
    }

    #[test]
    fn a_name_that_could_look_like_two_is_left_out() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        for name in ["spiffe://a, DNS:admin", "spiffe://a\nb", "spiffe://good,x"] {
            params.subject_alt_names.push(SanType::URI(name.try_into().unwrap()));
        }
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(X509::read(made.der()).unwrap().names, [Name::Uri("spiffe://good,x")]);
    }

    #[test]
    fn times_of_both_kinds() {
        let time = |tag, content| time(Value { tag, content, encoded: &[] });
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(time(0x17, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(0x18, b"20240229120000Z"), Some(1_709_208_000));
        assert_eq!(time(0x18, b"19691231235959Z"), Some(-1));
        for bad in
            ["700101000000", "7001010000Z", "701301000000Z", "70010100000xZ", "700101240000Z", "700101006000Z", ""]
        {
            assert_eq!(time(0x17, bad.as_bytes()), None, "{bad}");
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
