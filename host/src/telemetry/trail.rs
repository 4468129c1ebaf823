//! What happened to one exchange on its way: who answered it, why it was refused, which hooks and
//! endpoints it met. The access log and the list of refused requests are made of it.
//!
//! Steps are kept only if somebody wants them; else noting one costs a look at an empty field. What plugins changed and
//! logged is kept only while one is being written.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::traces::TraceContext;

/// Steps kept of one exchange; a plugin that fans out can't make it grow without bound.
const MOST_STEPS: usize = 64;

/// The notes of one exchange.
#[derive(Debug, Default)]
pub struct Trail {
    answered_by: RefCell<Option<Arc<str>>>,
    reason: RefCell<Option<Reason>>,
    steps: RefCell<Option<Box<Steps>>>,
    /// There if requests are traced.
    trace: Cell<Option<TraceContext>>,
}

/// Why an exchange wasn't answered by its destination: what the error says.
pub type Reason = Box<str>;

/// In the order in which they ended.
#[derive(Debug, Default)]
pub struct Steps {
    pub calls: Vec<HookCall>,
    pub tries: Vec<Try>,
    /// There if details are wanted: those of the call in progress.
    details: Option<Details>,
}

/// What a call did besides its decision.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// `request header x-user: alice`, `request path: /b`, `status: 404`.
    pub edits: Vec<String>,
    /// Level and text, as they went to the log.
    pub lines: Vec<(&'static str, String)>,
    /// Why it failed.
    pub error: Option<String>,
}

/// One call of a hook.
#[derive(Debug, Clone)]
pub struct HookCall {
    pub plugin: Arc<str>,
    /// The WIT interface's name.
    pub hook: &'static str,
    pub start: Instant,
    /// A decision's name, or the kind of a failure.
    pub outcome: &'static str,
    /// With waiting.
    pub duration: Duration,
    /// Computing, waiting left out.
    pub busy: Duration,
    pub details: Option<Details>,
}

/// One try at an endpoint.
#[derive(Debug, Clone)]
pub struct Try {
    pub cluster: Arc<str>,
    pub endpoint: Box<str>,
    /// The answer's, if there was one.
    pub status: Option<u16>,
    pub start: Instant,
    /// The number of its span, if it was told one.
    pub span: Option<u64>,
    /// To the answer's head.
    pub duration: Duration,
}

impl Trail {
    /// Keep steps from now on.
    pub fn keep_steps(&self) {
        self.steps.borrow_mut().get_or_insert_default();
    }

    /// Keep steps with their details from now on.
    pub fn keep_details(&self) {
        self.steps.borrow_mut().get_or_insert_default().details.get_or_insert_default();
    }

    pub fn wants_details(&self) -> bool {
        self.steps.borrow().as_ref().is_some_and(|steps| steps.details.is_some())
    }

    /// Add to the details of the call in progress, if they are wanted.
    pub fn detail(&self, add: impl FnOnce(&mut Details)) {
        if let Some(details) = self.steps.borrow_mut().as_mut().and_then(|steps| steps.details.as_mut()) {
            add(details);
        }
    }

    /// The trace that the exchange belongs to.
    pub fn trace(&self, context: TraceContext) {
        self.trace.set(Some(context));
    }

    /// A span for one more try, and what tells the endpoint of it; none if requests aren't traced.
    pub fn next_try(&self) -> Option<(u64, HeaderValue)> {
        let mut context = self.trace.get()?;
        let span = context.child();
        self.trace.set(Some(context));
        Some((span, context.header(span)))
    }

    /// The trace, with the spans that were begun.
    pub fn context(&self) -> Option<TraceContext> {
        self.trace.get()
    }

    /// The beginning of a step, if steps are kept.
    pub fn begin(&self) -> Option<Instant> {
        self.steps.borrow().is_some().then(Instant::now)
    }

    /// A hook call that began with [`Self::begin`] ended, after computing for `busy`.
    pub fn called(
        &self,
        begun: Option<Instant>,
        plugin: &Arc<str>,
        hook: &'static str,
        outcome: &'static str,
        busy: Duration,
    ) {
        let (Some(start), Some(steps)) = (begun, &mut *self.steps.borrow_mut()) else { return };
        let details = steps.details.as_mut().map(std::mem::take);
        if steps.calls.len() < MOST_STEPS {
            let (plugin, duration) = (Arc::clone(plugin), start.elapsed());
            steps.calls.push(HookCall { plugin, hook, start, outcome, duration, busy, details });
        }
    }

    /// A try at an endpoint ended.
    pub fn tried(&self, made: impl FnOnce() -> Try) {
        if let Some(steps) = &mut *self.steps.borrow_mut()
            && steps.tries.len() < MOST_STEPS
        {
            steps.tries.push(made());
        }
    }

    /// A plugin made the answer, or had the gateway make it.
    pub fn answered_by(&self, plugin: &Arc<str>) {
        self.answered_by.replace(Some(Arc::clone(plugin)));
    }

    /// The gateway answers because of this.
    pub fn failed(&self, reason: &impl std::fmt::Display) {
        self.reason.replace(Some(reason.to_string().into()));
    }

    /// The plugin that the answer is due to.
    pub fn author(&self) -> Option<Arc<str>> {
        self.answered_by.borrow().clone()
    }

    /// Take out why the gateway answered.
    pub fn take_reason(&self) -> Option<Reason> {
        self.reason.take()
    }

    /// Take out the steps, if they were kept.
    pub fn take_steps(&self) -> Option<Box<Steps>> {
        self.steps.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_kept_only_when_wanted() {
        let trail = Trail::default();
        assert!(trail.begin().is_none());
        trail.called(trail.begin(), &"keys".into(), "authenticate", "denied", Duration::ZERO);
        assert!(trail.take_steps().is_none());
        trail.keep_steps();
        let begun = trail.begin();
        trail.called(begun, &"keys".into(), "authenticate", "denied", Duration::ZERO);
        let steps = trail.take_steps().unwrap();
        assert_eq!((&*steps.calls[0].plugin, steps.calls[0].outcome), ("keys", "denied"));
    }

    #[test]
    fn steps_are_bounded() {
        let trail = Trail::default();
        trail.keep_steps();
        for _ in 0..1000 {
            trail.called(trail.begin(), &"keys".into(), "aggregate", "respond", Duration::ZERO);
        }
        assert_eq!(trail.take_steps().unwrap().calls.len(), MOST_STEPS);
    }
}
