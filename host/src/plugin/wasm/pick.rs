//! The loan of a pick's context and endpoints to a guest.
//!
//! A store's data must be `'static` and `Send`, and what a pick is about is neither: it is borrowed from
//! the caller for the time of one call. This module, the only one that gives a pointer to a guest's host
//! functions, keeps that safe: the call begins and ends in one function, on one thread, without waiting.

use std::ptr::NonNull;
use std::time::Duration;

use wasmtime::component::Resource;

use super::guest::{Guest, Subject, Time};
use super::instance::Instance;
use crate::balance::{PickContext, View};
use crate::plugin::role::PluginError;

/// What an endpoint is wanted for, and what there is to choose from.
pub(crate) struct Offer<'a> {
    pub(crate) context: &'a PickContext<'a>,
    pub(crate) endpoints: &'a dyn View,
}

/// An [`Offer`] whose lifetime is left out. Only [`Instance::pick`] makes one.
pub(crate) struct Pick(NonNull<Offer<'static>>);

// SAFETY: a `Pick` is in a store only while `Instance::pick` runs, which neither returns nor waits
// meanwhile, so the store is neither used nor dropped on another thread before it is taken out again.
unsafe impl Send for Pick {}

/// Ends the loan, also if the call panics.
struct Loan<'a>(&'a mut Instance);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Instance {
    /// Have the guest pick an endpoint, in at most `limit` of time.
    pub(crate) fn pick(&mut self, offer: &Offer<'_>, limit: Duration) -> Result<Option<u32>, PluginError> {
        let function = self.function(|exports| &mut exports.pick)?;
        let loan = Loan(self);
        let subject = Subject::Pick(Pick(NonNull::from(offer).cast()));
        let guest = loan.0.begin(subject, Time::new(limit, false));
        let params = (guest.handle(), guest.handle());
        loan.0.call_now(function, params).map(|(index,)| index)
    }
}

impl Guest {
    /// Look at what the current pick is about. The result can't hold on to it.
    pub(crate) fn pick<T: 'static, R>(
        &self,
        handle: &Resource<T>,
        look: impl for<'a> FnOnce(&'a Offer<'a>) -> R,
    ) -> wasmtime::Result<R> {
        self.check(handle)?;
        let Subject::Pick(Pick(offer)) = &self.current.subject else {
            return Err(wasmtime::format_err!("there is no pick in this call"));
        };
        // SAFETY: the subject is a `Pick`, so `Instance::pick` is running and its borrow of the offer lasts;
        // `look` is generic over the lifetime, so nothing that it sees gets out.
        Ok(look(unsafe { offer.as_ref() }))
    }
}
