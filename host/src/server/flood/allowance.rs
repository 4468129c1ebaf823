//! How much of what costs and brings nothing a client may do: a bucket that fills by itself slowly, and by answers.
//! A client that is served is never near its end, however it cancels, pings and opens windows.

use std::time::{Duration, Instant};

use super::follow::Frame;

/// What the bucket holds.
const FULL: u32 = 1000;
/// In how long it gains one.
const GAIN: Duration = Duration::from_millis(10);

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// As metrics name it.
    pub reason: &'static str,
    /// As the client is told (RFC 9113, section 7).
    pub code: u8,
}

const FRAME_SIZE_ERROR: u8 = 6;
const ENHANCE_YOUR_CALM: u8 = 0x0b;

/// Kinds of frames (RFC 9113, section 6).
mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// `END_STREAM`, and `ACK` of settings and pings.
const FIRST_FLAG: u8 = 1;

/// What is left.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    since: Instant,
    /// Updates of windows that the client has good for data it was sent.
    updates: u64,
}

impl Allowance {
    pub fn new(now: Instant) -> Self {
        Self { left: FULL, since: now, updates: 0 }
    }

    /// The client sent a frame.
    ///
    /// # Errors
    /// It does too much of something, or a frame that has only one length has another.
    pub fn received(&mut self, frame: Frame, now: impl Fn() -> Instant) -> Result<(), Verdict> {
        if !has_its_length(frame) {
            return Err(Verdict { reason: "http2-malformed", code: FRAME_SIZE_ERROR });
        }
        let is_first_flag = frame.flags & FIRST_FLAG != 0;
        let (price, reason) = match frame.kind {
            kind::DATA if frame.length == 0 && !is_first_flag => (4, "http2-empty-data"),
            // How many streams there are, and how large what is in them, others bound.
            kind::DATA | kind::HEADERS | kind::PUSH_PROMISE | kind::GOAWAY => return Ok(()),
            kind::RST_STREAM => (4, "http2-resets"),
            // Each new length of a window is a change to every stream.
            kind::SETTINGS if !is_first_flag => (20, "http2-settings"),
            kind::SETTINGS => (1, "http2-settings"),
            kind::PING if !is_first_flag => (2, "http2-pings"),
            kind::PING => (1, "http2-pings"),
            kind::WINDOW_UPDATE if self.updates > 0 => {
                self.updates -= 1;
                return Ok(());
            }
            kind::WINDOW_UPDATE => (1, "http2-window-updates"),
            kind::CONTINUATION => (1, "http2-continuations"),
            kind::PRIORITY => (1, "http2-priorities"),
            _ => (1, "http2-unknown"),
        };
        self.pay(price, now).ok_or(Verdict { reason, code: ENHANCE_YOUR_CALM })
    }

    /// The gateway sent a frame.
    ///
    /// # Errors
    /// It had to reset too many streams.
    pub fn sent(&mut self, frame: Frame, now: impl Fn() -> Instant) -> Result<(), Verdict> {
        match frame.kind {
            kind::DATA => {
                // Some clients tell of each kilobyte that they take, for the stream and for the connection.
                self.updates = self.updates.saturating_add(4 + u64::from(frame.length >> 8));
                self.gain(2);
            }
            kind::HEADERS => self.gain(4),
            // A stream that is refused or malformed.
            kind::RST_STREAM => {
                return self.pay(2, now).ok_or(Verdict { reason: "http2-errors", code: ENHANCE_YOUR_CALM });
            }
            _ => {}
        }
        Ok(())
    }

    fn gain(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(FULL);
    }

    fn pay(&mut self, price: u32, now: impl Fn() -> Instant) -> Option<()> {
        // The clock is asked only where it might help.
        if self.left < FULL / 2 {
            let now = now();
            let gained = now.saturating_duration_since(self.since).as_millis() / GAIN.as_millis();
            if gained > 0 {
                self.gain(u32::try_from(gained).unwrap_or(FULL));
                self.since = now;
            }
        }
        self.left = self.left.checked_sub(price)?;
        Some(())
    }
}

/// Whether a frame has the length that its kind has.
fn has_its_length(frame: Frame) -> bool {
    match frame.kind {
        kind::RST_STREAM | kind::WINDOW_UPDATE => frame.length == 4,
        kind::PING => frame.length == 8,
        kind::SETTINGS if frame.flags & FIRST_FLAG != 0 => frame.length == 0,
        kind::SETTINGS => frame.length.is_multiple_of(6),
        kind::GOAWAY => frame.length >= 8,
        _ => true,
    }
}
