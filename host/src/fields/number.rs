//! Numbers as framing writes them, without allocating.

/// In decimal, as in `Content-Length`.
pub fn decimal(number: u64, digits: &mut [u8; 20]) -> &[u8] {
    written(number, 10, digits)
}

/// In hexadecimal, as before a chunk.
pub fn hexadecimal(number: u64, digits: &mut [u8; 20]) -> &[u8] {
    written(number, 16, digits)
}

fn written(mut number: u64, base: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(number % base).unwrap_or_default();
        *digit = b"0123456789abcdef".get(value).copied().unwrap_or_default();
        number /= base;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 9, 10, 15, 16, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
            assert_eq!(hexadecimal(number, &mut [0; 20]), format!("{number:x}").as_bytes());
        }
    }
}
