//! Follows the frames of a WebSocket (RFC 6455, section 5.2) that go by: only where one ends can another be put in
//! between. Looks at lengths and nothing else, and keeps no byte of what is in them.

/// `1001`: the endpoint is going away (RFC 6455, section 7.4.1), as a server sends it.
pub(super) const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// The longest head of a frame: two bytes, a length and a mask.
const LONGEST_HEAD: usize = 14;

/// A place in a stream of frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    /// Bytes of the head so far; 0 between frames, and within one whose head is over.
    have: usize,
    /// What is left of the frame after its head.
    left: u64,
}

impl Frames {
    pub fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// These bytes went by.
    pub fn follow(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(rest);
        }
    }

    /// How many of these bytes belong to the frame that has begun; 0 between frames.
    pub fn until_end(&self, bytes: &[u8]) -> usize {
        let mut probe = *self;
        let mut rest = bytes;
        while !rest.is_empty() && !probe.is_between() {
            rest = probe.step(rest);
        }
        bytes.len() - rest.len()
    }

    /// Go by the rest of a frame, or one byte of a head. Returns what follows.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.left > 0 {
            let count = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.left -= count as u64;
            return bytes.get(count..).unwrap_or_default();
        }
        let [byte, rest @ ..] = bytes else { return bytes };
        if let Some(place) = self.head.get_mut(self.have) {
            *place = *byte;
        }
        self.have += 1;
        if let Some(length) = self.length() {
            (self.have, self.left) = (0, length);
        }
        rest
    }

    /// How long the frame is after its head, once that is whole.
    fn length(&self) -> Option<u64> {
        let (second, have) = (*self.head.get(1)?, self.have);
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (end, length) = match second & 0x7f {
            126 => (4, number(self.head.get(2..4)?)),
            127 => (10, number(self.head.get(2..10)?)),
            short => (2, u64::from(short)),
        };
        (have >= 2 && have >= end + mask).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(masked: bool, length: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![0x82];
        match length {
            0..126 => bytes.push(mask | u8::try_from(length).unwrap()),
            126..65536 => {
                bytes.push(mask | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(vec![7; if masked { 4 } else { 0 } + length]);
        bytes
    }

    proptest! {
        #[test]
        fn ends_are_found_in_any_pieces(
            frames in proptest::collection::vec((any::<bool>(), prop_oneof![0usize..300, 65530usize..65600]), 1..6),
            sizes in proptest::collection::vec(1usize..1000, 1..10),
        ) {
            let (mut stream, mut ends) = (Vec::new(), vec![0]);
            for (masked, length) in frames {
                stream.extend(frame(masked, length));
                ends.push(stream.len());
            }
            let (mut place, mut at) = (Frames::default(), 0);
            for size in sizes.iter().cycle() {
                prop_assert_eq!(place.is_between(), ends.contains(&at), "{}", at);
                let rest = place.until_end(&stream[at..]);
                prop_assert!(ends.contains(&(at + rest)));
                prop_assert!(!ends.iter().any(|end| (at + 1..at + rest).contains(end)));
                if at == stream.len() {
                    break;
                }
                let piece = &stream[at..stream.len().min(at + size)];
                place.follow(piece);
                at += piece.len();
            }
        }
    }

    #[test]
    fn the_close_frame_is_one_frame() {
        let mut place = Frames::default();
        place.follow(&GOING_AWAY[..3]);
        assert!(!place.is_between());
        place.follow(&GOING_AWAY[3..]);
        assert!(place.is_between());
    }
}
