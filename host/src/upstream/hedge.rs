//! Hedging: a request whose answer takes long is sent to another endpoint too, and the first good answer counts. (Dean,
//! Barroso: The tail at scale, CACM 56(2), 2013.) The other one is broken off.

use std::pin::pin;
use std::time::{Duration, Instant};

use http::Request;

use super::call::Tried;
use super::limit::Room;
use super::noted::Noted;
use super::send::{Caller, Seen, ThreadCluster};
use crate::balance::PickContext;
use crate::body::Body;
use crate::config::model::Hedge;

/// What came of one request, maybe sent twice.
pub(super) struct Hedged {
    /// The endpoint whose outcome it is.
    pub index: usize,
    pub sent: Tried,
    /// The other endpoint that was asked, if there was one.
    pub other: Option<usize>,
}

impl ThreadCluster {
    /// Send a request to the endpoint `first`, and its `twin` to another one if that takes long. Each is told of as a try
    /// of its own, the one that counts as the last.
    pub(super) async fn hedged(
        &self,
        first: usize,
        (request, note): (Request<Body>, Noted<'_>),
        mut twin: Request<Body>,
        hedge: &Hedge,
        caller: &Caller<'_>,
    ) -> Hedged {
        let begun = Instant::now();
        let mut one = pin!(self.attempt(first, request, caller.ends));
        tokio::select! {
            biased;
            sent = &mut one => {
                note.end(&sent);
                return Hedged { index: first, sent, other: None };
            }
            () = tokio::time::sleep(hedge.after) => {}
        }
        let Some((second, _room)) = self.another(first, &twin, caller) else {
            let sent = one.await;
            note.end(&sent);
            return Hedged { index: first, sent, other: None };
        };
        let begun_too = Instant::now();
        let note_too = self.note(caller, second, &mut twin);
        let mut two = pin!(self.attempt(second, twin, caller.ends));
        let (index, sent) = tokio::select! {
            biased;
            sent = &mut one => (first, sent),
            sent = &mut two => (second, sent),
        };
        let won = index == second;
        let (note, note_of_other) = if won { (note_too, note) } else { (note, note_too) };
        if is_good(&sent) {
            drop(note_of_other);
            note.end(&sent);
            self.cluster().metrics().hedge(if won { "won" } else { "lost" });
            let (loser, waited) = if won { (first, begun.elapsed()) } else { (second, begun_too.elapsed()) };
            self.overtaken(loser, waited);
            return Hedged { index, sent, other: Some(loser) };
        }
        // There is another chance.
        note.end(&sent);
        let (late, sent_late) = if won { (first, one.await) } else { (second, two.await) };
        note_of_other.end(&sent_late);
        if is_good(&sent_late) {
            self.cluster().metrics().hedge(if won { "lost" } else { "won" });
            return Hedged { index: late, sent: sent_late, other: Some(index) };
        }
        self.cluster().metrics().hedge("failed");
        // As if it had been sent once.
        if won {
            Hedged { index: first, sent: sent_late, other: Some(second) }
        } else {
            Hedged { index: first, sent, other: Some(second) }
        }
    }

    /// Another endpoint that is fit, if the budget and the limit for retries allow it.
    fn another(&self, first: usize, twin: &Request<Body>, caller: &Caller<'_>) -> Option<(usize, Option<Room>)> {
        let context = PickContext {
            cluster: self.cluster().name(),
            attempt: 2,
            tried: &[first],
            client: caller.client,
            request: Some(&Seen { request: twin, identity: caller.identity }),
        };
        let fit = |index: &usize| {
            let member = self.cluster().members().get(*index);
            *index != first && member.is_some_and(|member| member.endpoint.is_available())
        };
        let second = self.pick(&context).filter(fit)?;
        let metrics = self.cluster().metrics();
        if !self.budget.withdraw(Instant::now()) {
            metrics.hedge("over-budget");
            return None;
        }
        let Ok(room) = self.cluster().limits().retry() else {
            metrics.overflow("retries");
            metrics.hedge("over-limit");
            return None;
        };
        Some((second, room))
    }

    /// Nobody waits for that endpoint any longer. What it would have taken is more than is known of it, maybe.
    fn overtaken(&self, index: usize, waited: Duration) {
        let Some(member) = self.cluster().members().get(index) else { return };
        if waited.as_micros() > u128::from(member.endpoint.latency_us()) {
            member.endpoint.overtaken(waited);
            self.cluster().observe_time(member, waited);
        }
    }
}

/// Whether that is worth more than what the other one may say.
fn is_good(sent: &Tried) -> bool {
    sent.as_ref().is_ok_and(|answer| !answer.status().is_server_error())
}
