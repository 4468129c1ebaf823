//! Follows frames of HTTP/2 (RFC 9113, section 4.1) that go by, in pieces of any size.

/// A frame's head is so long.
const HEAD: usize = 9;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub length: u32,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

/// A place in a stream of frames.
#[derive(Debug, Default)]
pub(super) struct Follow {
    head: [u8; HEAD],
    /// Bytes of the head so far.
    have: usize,
    /// What is left of the frame behind its head.
    left: usize,
}

impl Follow {
    /// After so many bytes that are no frame.
    pub fn after(preface: usize) -> Self {
        Self { left: preface, ..Self::default() }
    }

    /// Whether the next byte begins a frame.
    pub fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// These bytes went by; `seen` is told of each head that is whole.
    pub fn pass(&mut self, bytes: &[u8], mut seen: impl FnMut(Frame)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left > 0 {
                let count = self.left.min(rest.len());
                self.left -= count;
                rest = rest.get(count..).unwrap_or_default();
                continue;
            }
            let (part, after) = rest.split_at(rest.len().min(HEAD - self.have));
            for (place, byte) in self.head.iter_mut().skip(self.have).zip(part) {
                *place = *byte;
            }
            self.have += part.len();
            rest = after;
            if self.have == HEAD {
                let frame = self.frame();
                self.have = 0;
                self.left = usize::try_from(frame.length).unwrap_or(usize::MAX);
                seen(frame);
            }
        }
    }

    fn frame(&self) -> Frame {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        // The first bit is reserved, and means nothing.
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Frame { length: u32::from_be_bytes([0, a, b, c]), kind, flags, stream }
    }
}
