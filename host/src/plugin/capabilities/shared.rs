//! `kv` and `limiter` for plugins whose state a fleet shares: the same functions, the same checks and the same
//! results, kept in the store of [`crate::state`]. The guest's fiber is suspended while it waits; the wait counts
//! against the call's and the exchange's deadlines, and not as computing time.
//!
//! While the store is away, `state.on_error` decides. A call that can't wait (`pick`) never asks the store: what
//! balances is this gateway's own.

use std::sync::Arc;

use wasmtime::component::Linker;

use super::{kv, limiter};
use crate::config::model::OnAway;
use crate::plugin::wasm::bindings::kv::KvError;
use crate::plugin::wasm::bindings::limiter::{Limit, Outcome};
use crate::plugin::wasm::guest::Guest;
use crate::state::{Remote, Space, Sum};

/// A plugin's part of the shared store.
pub(crate) struct Shared {
    remote: Arc<Remote>,
    space: Space,
}

impl Shared {
    pub(crate) fn new(remote: Arc<Remote>, plugin: &str) -> Self {
        let space = remote.space(plugin);
        Self { remote, space }
    }

    /// The store is away: what is to be done instead, counted.
    fn without(&self) -> OnAway {
        let on_error = self.remote.settings().on_error;
        self.remote.metrics().without(on_error.name());
        on_error
    }
}

/// Put these functions in the place of those that know only this gateway.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut kv = linker.instance("sluice:plugin/kv@0.1.0")?;
    kv.func_wrap_async("get", |mut store, (key,): (String,)| {
        Box::new(async move { Ok((get(store.data_mut(), key).await,)) })
    })?;
    kv.func_wrap_async("set", |mut store, (key, value, ttl): (String, Vec<u8>, Option<u64>)| {
        Box::new(async move { Ok((set(store.data_mut(), key, value, ttl).await,)) })
    })?;
    kv.func_wrap_async("delete", |mut store, (key,): (String,)| {
        Box::new(async move { Ok((delete(store.data_mut(), key).await,)) })
    })?;
    kv.func_wrap_async("increment", |mut store, (key, by, ttl): (String, i64, Option<u64>)| {
        Box::new(async move { Ok((increment(store.data_mut(), key, by, ttl).await,)) })
    })?;
    let mut limiter = linker.instance("sluice:plugin/limiter@0.1.0")?;
    limiter.func_wrap_async("take", |mut store, (key, limit, cost): (String, Limit, u64)| {
        Box::new(async move { Ok((take(store.data_mut(), key, limit, cost).await,)) })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn get(guest: &mut Guest, key: String) -> Result<Option<Vec<u8>>, KvError> {
    kv::check_key(&key)?;
    if let Some(shared) = guest.shared() {
        match shared.remote.read(&shared.space, &key).await {
            Ok(value) => return Ok(value),
            Err(_) => unless_local(shared.without())?,
        }
    }
    guest.lent.kv.read(&key, guest.nanos())
}

async fn set(guest: &mut Guest, key: String, value: Vec<u8>, ttl: Option<u64>) -> Result<(), KvError> {
    kv::check_entry(&key, value.len(), guest.lent.limits.kv)?;
    if let Some(shared) = guest.shared() {
        match shared.remote.write(&shared.space, &key, &value, ttl).await {
            Ok(()) => return Ok(()),
            Err(_) => unless_local(shared.without())?,
        }
    }
    guest.lent.kv.write(key, value, ttl, guest.lent.limits.kv, guest.nanos())
}

async fn delete(guest: &mut Guest, key: String) -> Result<bool, KvError> {
    kv::check_key(&key)?;
    if let Some(shared) = guest.shared() {
        match shared.remote.remove(&shared.space, &key).await {
            Ok(removed) => return Ok(removed),
            Err(_) => unless_local(shared.without())?,
        }
    }
    guest.lent.kv.remove(&key, guest.nanos())
}

async fn increment(guest: &mut Guest, key: String, by: i64, ttl: Option<u64>) -> Result<i64, KvError> {
    kv::check_counter(&key, guest.lent.limits.kv)?;
    if let Some(shared) = guest.shared() {
        match shared.remote.add(&shared.space, &key, by, ttl).await {
            Ok(Sum::Is(sum)) => return Ok(sum),
            Ok(Sum::NotACounter) => return Err(KvError::NotACounter),
            Err(_) => unless_local(shared.without())?,
        }
    }
    guest.lent.kv.add(key, by, ttl, guest.lent.limits.kv, guest.nanos())
}

async fn take(guest: &mut Guest, key: String, limit: Limit, cost: u64) -> Result<Outcome, String> {
    limiter::check(&key, limit, cost)?;
    if let Some(shared) = guest.shared() {
        let same = crate::state::Limit { rate: limit.rate, period_ms: limit.period_ms, burst: limit.burst };
        match shared.remote.take(&shared.space, &key, same, cost).await {
            Ok(taken) => {
                return Ok(Outcome {
                    admitted: taken.admitted,
                    remaining: taken.remaining,
                    reset_ms: taken.reset_ms,
                    retry_after_ms: taken.retry_after_ms,
                });
            }
            Err(away) => match shared.without() {
                OnAway::Closed => return Err(away.to_string()),
                OnAway::Open => {
                    return Ok(Outcome { admitted: true, remaining: limit.burst, reset_ms: 0, retry_after_ms: 0 });
                }
                OnAway::Local => {}
            },
        }
    }
    guest.lent.limiter.take_at(&key, limit, cost, guest.nanos())
}

/// Values can't be made up, so only this gateway's own store stands in.
fn unless_local(on_error: OnAway) -> Result<(), KvError> {
    match on_error {
        OnAway::Local => Ok(()),
        OnAway::Open | OnAway::Closed => Err(KvError::Unavailable),
    }
}

impl Guest {
    /// The plugin's part of the shared store, if this call can wait for it.
    fn shared(&self) -> Option<Arc<Shared>> {
        if self.can_wait() { self.lent.shared.clone() } else { None }
    }
}

#[cfg(test)]
mod tests;
