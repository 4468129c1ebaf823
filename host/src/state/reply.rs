//! What Redis answers, taken apart. An answer that isn't what was asked for counts as none: somebody else uses
//! these keys.

use redis::Value;

use super::command::decode;
use super::{Away, Sum, Taken};

pub(super) fn value(answer: Value) -> Result<Option<Vec<u8>>, Away> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(kept) => Ok(decode(kept)),
        _ => Err(Away),
    }
}

pub(super) fn removed(answer: &Value) -> Result<bool, Away> {
    match answer {
        Value::Int(count) => Ok(*count > 0),
        _ => Err(Away),
    }
}

pub(super) fn sum(answer: &Value) -> Result<Sum, Away> {
    match answer {
        Value::Nil => Ok(Sum::NotACounter),
        other => text(other).and_then(|text| text.parse().ok()).map(Sum::Is).ok_or(Away),
    }
}

pub(super) fn taken(answer: &Value) -> Result<Taken, Away> {
    let Value::Array(parts) = answer else { return Err(Away) };
    let [Value::Int(admitted), remaining, reset_ms, retry_after_ms] = &parts[..] else { return Err(Away) };
    // Larger than what fits is as good as the largest.
    let number = |part| text(part).and_then(|text| text.parse::<u128>().ok()).ok_or(Away);
    let number = |part| number(part).map(|number| u64::try_from(number).unwrap_or(u64::MAX));
    Ok(Taken {
        admitted: *admitted == 1,
        remaining: number(remaining)?,
        reset_ms: number(reset_ms)?,
        retry_after_ms: number(retry_after_ms)?,
    })
}

fn text(part: &Value) -> Option<&str> {
    match part {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_something_else_are_none() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        assert_eq!(value(Value::Int(1)), Err(Away));
        assert_eq!(removed(&Value::Nil), Err(Away));
        assert_eq!(sum(&bulk("x")), Err(Away));
        assert_eq!(taken(&Value::Array(vec![Value::Int(1), bulk("2"), bulk("3")])), Err(Away));
        let huge = Value::Array(vec![Value::Int(0), bulk("0"), bulk("31622400000000000000"), bulk("7")]);
        let expected = Taken { admitted: false, remaining: 0, reset_ms: u64::MAX, retry_after_ms: 7 };
        assert_eq!(taken(&huge), Ok(expected));
    }
}
