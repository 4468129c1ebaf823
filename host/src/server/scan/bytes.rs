//! Classes of bytes.

const TOKEN: u8 = 1;
const PATH: u8 = 2;
const QUERY: u8 = 4;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        let mut class = 0;
        if (byte as u8).is_ascii_alphanumeric() || is_one_of(byte as u8, b"!#$%&'*+-.^_`|~") {
            class |= TOKEN;
        }
        // More than RFC 3986 allows, since browsers send more; a fragment never.
        if !is_one_of(byte as u8, b"#<>`?") {
            class |= PATH;
        }
        if !is_one_of(byte as u8, b"#<>\"") {
            class |= QUERY;
        }
        classes[byte] = class;
        byte += 1;
    }
    classes
}

const fn is_one_of(byte: u8, set: &[u8]) -> bool {
    let mut index = 0;
    while index < set.len() {
        if set[index] == byte {
            return true;
        }
        index += 1;
    }
    false
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// Whether these are path and query of a target, without a fragment.
pub(super) fn is_path_and_query(bytes: &[u8]) -> bool {
    match memchr::memchr(b'?', bytes).and_then(|end| bytes.split_at_checked(end)) {
        None => are(bytes, PATH),
        Some((path, query)) => are(path, PATH) && are(query, QUERY),
    }
}

/// Without a branch for each byte, since nearly always all are.
fn are(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |all, byte| all & CLASSES.get(usize::from(*byte)).copied().unwrap_or_default()) != 0
}

/// Bytes that are looked at together.
const PIECE: usize = 32;

/// Whether there is a control character besides those that separate lines and words. Without branches, and in
/// pieces of vectors' size, so that it becomes vector code; the last piece overlaps the one before.
pub(super) fn has_controls(bytes: &[u8]) -> bool {
    let (pieces, rest) = bytes.as_chunks::<PIECE>();
    let Some(last) = bytes.last_chunk::<PIECE>() else { return rest.iter().any(|byte| control(*byte) != 0) };
    let mut bad = [0; PIECE];
    for piece in pieces {
        mark(&mut bad, piece);
    }
    mark(&mut bad, last);
    bad.iter().fold(0, |all, bad| all | bad) != 0
}

fn mark(bad: &mut [u8; PIECE], piece: &[u8; PIECE]) {
    for (bad, byte) in bad.iter_mut().zip(piece) {
        *bad |= control(*byte);
    }
}

/// All bits set for a control character.
const fn control(byte: u8) -> u8 {
    let is_space = (byte == b'\t') | (byte == b'\r') | (byte == b'\n');
    if ((byte < 0x20) & !is_space) | (byte == 0x7f) { 0xff } else { 0 }
}
