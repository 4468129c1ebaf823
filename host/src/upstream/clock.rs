//! How long an exchange on a connection may take. Moments are written down as they happen; one timer lives
//! as long as the connection and is moved only when it rings early or would ring too late.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::config::model::Timeouts;

/// The time limits of one exchange.
pub(super) struct Clock {
    first_byte: Duration,
    idle: Duration,
    phase: Phase,
    upload: Upload,
    timer: Option<Pin<Box<Sleep>>>,
}

/// How far the answer is.
#[derive(Clone, Copy)]
enum Phase {
    /// The request was handed over then; no answer yet.
    Head(Instant),
    /// The answer's body runs; waited for since then, unless it's the client who doesn't read.
    Body(Option<Instant>),
    /// The answer is over, the request's body isn't.
    Over(Instant),
}

/// How far the request is.
#[derive(Clone, Copy)]
enum Upload {
    Done(Instant),
    /// It last moved then; we wait for the client if its body had no more.
    Running {
        since: Instant,
        on_client: bool,
    },
}

/// Who took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    FirstByte,
    /// The endpoint stopped in the middle of a body.
    Stalled,
    /// The client did.
    ClientStalled,
}

impl Clock {
    /// For a connection that isn't used yet.
    pub fn new(now: Instant) -> Self {
        Self {
            first_byte: Duration::ZERO,
            idle: Duration::ZERO,
            phase: Phase::Head(now),
            upload: Upload::Done(now),
            timer: None,
        }
    }

    /// An exchange begins.
    pub fn begin(&mut self, timeouts: &Timeouts, now: Instant) {
        self.first_byte = timeouts.first_byte;
        self.idle = timeouts.idle;
        self.phase = Phase::Head(now);
        self.upload = Upload::Running { since: now, on_client: false };
    }

    /// A piece of the request's body is on its way.
    pub fn upload_moved(&mut self) {
        self.upload = Upload::Running { since: Instant::now(), on_client: false };
    }

    /// The request's body has no more at the moment.
    pub fn upload_waits_for_client(&mut self) {
        if !matches!(self.upload, Upload::Running { on_client: true, .. }) {
            self.upload = Upload::Running { since: Instant::now(), on_client: true };
        }
    }

    /// All of the request is sent. `at_once`: as soon as the exchange began.
    pub fn uploaded(&mut self, at_once: bool) {
        self.upload = match self.phase {
            Phase::Head(since) if at_once => Upload::Done(since),
            _ => Upload::Done(Instant::now()),
        };
    }

    /// The answer's head is here, or a piece of its body.
    pub fn answer_moved(&mut self) {
        self.phase = Phase::Body(None);
    }

    /// The answer's body is asked for and has no more at the moment.
    pub fn answer_waits(&mut self) {
        if matches!(self.phase, Phase::Body(None)) {
            self.phase = Phase::Body(Some(Instant::now()));
        }
    }

    pub fn answer_over(&mut self) {
        self.phase = Phase::Over(Instant::now());
    }

    /// Ready when something takes too long.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        let Some((deadline, cut)) = self.deadline() else { return Poll::Pending };
        let wanted = tokio::time::Instant::from_std(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wanted)));
        if timer.deadline() > wanted {
            timer.as_mut().reset(wanted);
        }
        // It has to know who waits now, even if it was set by the exchange before.
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(cut);
            }
            timer.as_mut().reset(wanted);
        }
        Poll::Pending
    }

    /// When the present state has lasted too long, and what it means then.
    fn deadline(&self) -> Option<(Instant, Cut)> {
        match (self.phase, self.upload) {
            (Phase::Head(since), Upload::Done(sent)) => Some((since.max(sent) + self.first_byte, Cut::FirstByte)),
            (Phase::Head(_) | Phase::Over(_), Upload::Running { since, on_client }) => {
                let cut = if on_client { Cut::ClientStalled } else { Cut::Stalled };
                Some((since + self.idle, cut))
            }
            (Phase::Body(Some(answer)), Upload::Running { since, .. }) => {
                Some((answer.max(since) + self.idle, Cut::Stalled))
            }
            (Phase::Body(Some(since)) | Phase::Over(since), Upload::Done(_)) => Some((since + self.idle, Cut::Stalled)),
            (Phase::Body(None), _) => None,
        }
    }
}
