//! The key-value store on the mock's clock.

use std::collections::HashMap;

use crate::kv::KvError;

/// Values with the moment in nanoseconds at which they end.
#[derive(Default)]
pub(super) struct Store(HashMap<String, (Vec<u8>, Option<u64>)>);

impl Store {
    pub(super) fn get(&mut self, key: &str, now: u64) -> Result<Option<Vec<u8>>, KvError> {
        check(key, &[])?;
        self.expire(now);
        Ok(self.0.get(key).map(|(value, _)| value.clone()))
    }

    pub(super) fn set(&mut self, key: &str, value: &[u8], ttl_ms: Option<u64>, now: u64) -> Result<(), KvError> {
        check(key, value)?;
        self.0.insert(key.into(), (value.to_vec(), end(ttl_ms, now)));
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &str, now: u64) -> Result<bool, KvError> {
        check(key, &[])?;
        self.expire(now);
        Ok(self.0.remove(key).is_some())
    }

    pub(super) fn increment(&mut self, key: &str, by: i64, ttl_ms: Option<u64>, now: u64) -> Result<i64, KvError> {
        check(key, &[])?;
        self.expire(now);
        let (value, _) = self.0.entry(key.into()).or_insert_with(|| (0i64.to_le_bytes().into(), end(ttl_ms, now)));
        let bytes = <[u8; 8]>::try_from(value.as_slice()).map_err(|_| KvError::NotACounter)?;
        let sum = i64::from_le_bytes(bytes).saturating_add(by);
        *value = sum.to_le_bytes().into();
        Ok(sum)
    }

    fn expire(&mut self, now: u64) {
        self.0.retain(|_, (_, end)| end.is_none_or(|end| end > now));
    }
}

fn end(ttl_ms: Option<u64>, now: u64) -> Option<u64> {
    ttl_ms.map(|ttl| now.saturating_add(ttl.saturating_mul(1_000_000)))
}

fn check(key: &str, value: &[u8]) -> Result<(), KvError> {
    if key.len() > 256 {
        return Err(KvError::TooLarge("the key has more than 256 bytes".into()));
    }
    if value.len() > 64 << 10 {
        return Err(KvError::TooLarge("the value has more than 64 KiB".into()));
    }
    Ok(())
}
