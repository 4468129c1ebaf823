//! Numbers as text, one digit after the other, for framing and for the log: what formats anything at all costs a line of the
//! log more than all else of it.

/// In decimal.
pub fn decimal(number: u64, out: &mut Vec<u8>) {
    padded(number, 1, out);
}

/// In decimal, with zeros before it up to this width.
pub fn padded(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    loop {
        // Never more than 9.
        out.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
        number /= 10;
        if number == 0 && out.len() - begin >= width {
            break;
        }
    }
    if let Some(digits) = out.get_mut(begin..) {
        digits.reverse();
    }
}

/// In hexadecimal, as it stands before a chunk (RFC 9112, section 7.1).
pub fn chunk_size(size: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 2 * size_of::<usize>()];
    hexadecimal(size as u128, &mut digits);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count().min(digits.len() - 1);
    out.extend_from_slice(digits.get(zeros..).unwrap_or_default());
}

/// In hexadecimal, as wide as `into` is.
pub fn hexadecimal(mut number: u128, into: &mut [u8]) {
    for place in into.iter_mut().rev() {
        // Never more than 15.
        let digit = u8::try_from(number & 15).unwrap_or_default();
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_formatting_makes(number in any::<u64>(), large in any::<u128>(), width in 1..30_usize) {
            let mut out = b"x".to_vec();
            padded(number, width, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("x{number:0width$}"));
            let size = usize::try_from(number >> 8).unwrap();
            let mut out = Vec::new();
            chunk_size(size, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{size:x}"));
            let mut text = [0; 32];
            hexadecimal(large, &mut text);
            prop_assert_eq!(std::str::from_utf8(&text).unwrap(), format!("{large:032x}"));
        }
    }

    #[test]
    fn nothing_is_written_as_one_zero() {
        let mut out = Vec::new();
        decimal(0, &mut out);
        chunk_size(0, &mut out);
        assert_eq!(out, b"00");
    }
}
