//! Takes apart what certificates are encoded in: DER (X.690), one value after the other. It knows no meaning.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    /// With tag and length.
    pub encoded: &'a [u8],
}

/// What is left of an encoding.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value, whatever it is; none if it isn't whole. Its tag is one byte, as all are in certificates.
    pub fn any(&mut self) -> Option<Value<'a>> {
        let whole = self.0;
        let (tag, rest) = whole.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..0x80 => (usize::from(short), rest),
            long => {
                let count = usize::from(long & 0x7f);
                let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
                (digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit)), rest.get(count..)?)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        let encoded = whole.get(..whole.len() - rest.len())?;
        Some(Value { tag: *tag, content, encoded })
    }

    /// The content of the next value, which has to be of that kind.
    pub fn one(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|value| value.tag == tag).map(|value| value.content)
    }

    /// The content of the next value if it is of that kind.
    pub fn maybe(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.one(tag) } else { None }
    }
}

/// An object identifier as `2.5.4.3`; none if it isn't one.
pub(super) fn dotted(oid: &[u8]) -> Option<String> {
    let mut numbers: Vec<u128> = Vec::new();
    let (mut number, mut goes_on) = (0u128, true);
    for byte in oid {
        number = number.checked_mul(128)? | u128::from(byte & 0x7f);
        goes_on = byte & 0x80 != 0;
        if !goes_on {
            numbers.push(std::mem::take(&mut number));
        }
    }
    let (first, rest) = numbers.split_first().filter(|_| !goes_on)?;
    // The first two share a number.
    let root = (first / 40).min(2);
    let mut shown = format!("{root}.{}", first - 40 * root);
    rest.iter().for_each(|number| shown.push_str(&format!(".{number}")));
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_numbers_with_dots() {
        assert_eq!(dotted(&[0x55, 0x04, 0x03]).as_deref(), Some("2.5.4.3"));
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]).as_deref(), Some("1.2.840.113549"));
        assert_eq!(dotted(&[0x88, 0x37]).as_deref(), Some("2.999"));
        assert_eq!(dotted(&[]), None);
        assert_eq!(dotted(&[0x55, 0x84]), None);
        assert_eq!(dotted(&[0xff; 30]), None);
    }

    #[test]
    fn values_come_whole_or_not_at_all() {
        let mut reader = Reader(&[INTEGER, 1, 7, OCTETS, 0x81, 2, 8, 9, SET, 5, 1]);
        assert_eq!(reader.maybe(SET), None);
        assert_eq!(reader.one(INTEGER), Some(&[7][..]));
        let value = reader.any().unwrap();
        assert_eq!((value.content, value.encoded), (&[8, 9][..], &[OCTETS, 0x81, 2, 8, 9][..]));
        assert!(reader.any().is_none() && !reader.is_empty());
    }
}
