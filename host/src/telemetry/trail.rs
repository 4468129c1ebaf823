//! What happened to one exchange on its way: who answered it, why it was refused, which hooks and
//! endpoints it met. The access log and the list of refused requests are made of it.
//!
//! Steps are kept only if somebody wants them; else noting one costs a look at an empty field. What plugins changed and
//! logged is kept only while one is being written.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use smallvec::SmallVec;

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
    /// One, mostly.
    pub tries: SmallVec<[Try; 1]>,
    /// There if details are wanted: those of the call in progress.
    details: Option<Details>,
    /// The span of the call in progress.
    calling: Option<u64>,
    /// Requests of the call in progress.
    pending: Vec<Pending>,
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
    /// Whether it made no decision.
    pub failed: bool,
    /// The number of its span, if it is told of.
    pub span: Option<u64>,
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
    /// Empty if it isn't known.
    pub endpoint: Arc<str>,
    pub method: Method,
    /// The answer's, if there was one.
    pub status: Option<u16>,
    /// Nobody waited for its end.
    pub abandoned: bool,
    pub start: Instant,
    /// The number of its span, if it was told one.
    pub span: Option<u64>,
    /// The call of a plugin that made the request; none for the client's own.
    pub parent: Option<u64>,
    /// Tries of the same request before this one.
    pub before: u32,
    /// To the answer's head.
    pub duration: Duration,
}

/// What a request carries that is sent elsewhere for the exchange.
#[derive(Debug, Clone)]
pub struct Followed {
    pub context: TraceContext,
    /// Where its tries are to be told of when it is over; nowhere if nobody wants to know.
    pub tries: Option<Arc<Mutex<Vec<Try>>>>,
}

/// One that isn't known to be over.
#[derive(Debug)]
struct Pending {
    /// In case that nothing will be told.
    unanswered: Try,
    tries: Arc<Mutex<Vec<Try>>>,
}

/// The beginning of a hook call.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    start: Instant,
    span: Option<u64>,
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

    /// The beginning of a try, if steps are kept.
    pub fn begin(&self) -> Option<Instant> {
        self.steps.borrow().is_some().then(Instant::now)
    }

    /// The beginning of a hook call, if steps are kept.
    pub fn begin_call(&self) -> Option<Begun> {
        let mut steps = self.steps.borrow_mut();
        let steps = steps.as_mut()?;
        let mut context = self.trace.get().filter(TraceContext::is_sampled);
        let span = context.as_mut().map(TraceContext::child);
        if context.is_some() {
            self.trace.set(context);
        }
        steps.calling = span;
        Some(Begun { start: Instant::now(), span })
    }

    /// A hook call that began with [`Self::begin_call`] ended, after computing for `busy`: with a decision's name, or
    /// the kind of a failure.
    pub fn called(
        &self,
        begun: Option<Begun>,
        plugin: &Arc<str>,
        hook: &'static str,
        outcome: Result<&'static str, &'static str>,
        busy: Duration,
    ) {
        let (Some(Begun { start, span }), Some(steps)) = (begun, &mut *self.steps.borrow_mut()) else { return };
        let details = steps.details.as_mut().map(std::mem::take);
        steps.gather();
        if steps.calls.len() < MOST_STEPS {
            let (plugin, duration, failed) = (Arc::clone(plugin), start.elapsed(), outcome.is_err());
            let outcome = outcome.unwrap_or_else(|kind| kind);
            steps.calls.push(HookCall { plugin, hook, start, outcome, failed, span, duration, busy, details });
        }
    }

    /// The plugin whose call is in progress sends a request to a cluster; none if requests aren't traced.
    pub fn follow(&self, cluster: &str, method: &Method) -> Option<Followed> {
        let mut context = self.trace.get()?;
        let branch = context.branch();
        self.trace.set(Some(context));
        let mut steps = self.steps.borrow_mut();
        let Some(steps) = steps.as_mut().filter(|_| branch.is_sampled()) else {
            return Some(Followed { context: branch, tries: None });
        };
        let tries: Arc<Mutex<Vec<Try>>> = Arc::default();
        if steps.pending.len() < MOST_STEPS {
            let unanswered = Try {
                cluster: cluster.into(),
                endpoint: Arc::default(),
                method: method.clone(),
                status: None,
                abandoned: true,
                start: Instant::now(),
                // What its first try is told.
                span: Some({ branch }.child()),
                parent: steps.calling,
                before: 0,
                duration: Duration::ZERO,
            };
            steps.pending.push(Pending { unanswered, tries: Arc::clone(&tries) });
        }
        Some(Followed { context: branch, tries: Some(tries) })
    }

    /// A try at an endpoint ended.
    pub fn tried(&self, made: impl FnOnce() -> Try) {
        if let Some(steps) = &mut *self.steps.borrow_mut()
            && steps.tries.len() < MOST_STEPS
        {
            let before = u32::try_from(steps.own_tries().count()).unwrap_or(u32::MAX);
            steps.tries.push(Try { before, ..made() });
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

impl Steps {
    /// Tries of the client's request, and not of what plugins asked for.
    pub fn own_tries(&self) -> impl DoubleEndedIterator<Item = &Try> {
        self.tries.iter().filter(|attempt| attempt.parent.is_none())
    }

    /// Take up what became of the requests of the call that ends.
    fn gather(&mut self) {
        let parent = self.calling.take();
        for Pending { unanswered, tries } in self.pending.drain(..) {
            let mut tries = std::mem::take(&mut *tries.lock().unwrap_or_else(PoisonError::into_inner));
            if tries.is_empty() {
                tries.push(Try { duration: unanswered.start.elapsed(), ..unanswered });
            }
            let room = MOST_STEPS.saturating_sub(self.tries.len());
            self.tries.extend(tries.into_iter().take(room).map(|attempt| Try { parent, ..attempt }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(trail: &Trail, begun: Option<Begun>) {
        trail.called(begun, &"keys".into(), "authenticate", Ok("denied"), Duration::ZERO);
    }

    #[test]
    fn requests_of_a_call_belong_to_it_whatever_becomes_of_them() {
        let trail = Trail::default();
        trail.trace(TraceContext::for_test(true));
        trail.keep_steps();
        let begun = trail.begin_call();
        let (answered, lost) = (trail.follow("a", &Method::GET).unwrap(), trail.follow("b", &Method::POST).unwrap());
        // As whoever sends it does.
        let other = Trail::default();
        other.trace(answered.context);
        other.keep_steps();
        let (span, header) = other.next_try().unwrap();
        let made = || Try {
            cluster: "a".into(),
            endpoint: "127.0.0.1:1".into(),
            method: Method::GET,
            status: Some(200),
            abandoned: false,
            start: Instant::now(),
            span: Some(span),
            parent: None,
            before: 0,
            duration: Duration::ZERO,
        };
        other.tried(made);
        answered.tries.unwrap().lock().unwrap().extend(other.take_steps().unwrap().tries);
        called(&trail, begun);
        trail.tried(made);
        let steps = trail.take_steps().unwrap();
        let call = steps.calls[0].span;
        assert!(call.is_some());
        let told: Vec<_> =
            steps.tries.iter().map(|one| (&*one.cluster, one.status, one.abandoned, one.parent)).collect();
        assert_eq!(told, [("a", Some(200), false, call), ("b", None, true, call), ("a", Some(200), false, None)]);
        assert!(header.to_str().unwrap().contains(&format!("{span:016x}")));
        assert_eq!(steps.tries[1].span, Some({ lost.context }.child()));
        assert_eq!(steps.own_tries().count(), 1);
    }

    #[test]
    fn what_is_not_sampled_is_marked_and_not_noted() {
        let trail = Trail::default();
        assert!(trail.follow("a", &Method::GET).is_none());
        trail.trace(TraceContext::for_test(false));
        trail.keep_steps();
        let begun = trail.begin_call();
        assert!(trail.follow("a", &Method::GET).unwrap().tries.is_none());
        called(&trail, begun);
        let steps = trail.take_steps().unwrap();
        assert!(steps.tries.is_empty() && steps.calls[0].span.is_none());
    }

    #[test]
    fn steps_are_kept_only_when_wanted() {
        let trail = Trail::default();
        assert!(trail.begin().is_none());
        called(&trail, trail.begin_call());
        assert!(trail.take_steps().is_none());
        trail.keep_steps();
        called(&trail, trail.begin_call());
        let steps = trail.take_steps().unwrap();
        assert_eq!((&*steps.calls[0].plugin, steps.calls[0].outcome), ("keys", "denied"));
    }

    #[test]
    fn steps_are_bounded() {
        let trail = Trail::default();
        trail.keep_steps();
        for _ in 0..1000 {
            called(&trail, trail.begin_call());
        }
        assert_eq!(trail.take_steps().unwrap().calls.len(), MOST_STEPS);
    }
}
