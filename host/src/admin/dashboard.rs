//! The dashboard's files, part of the program: it needs no other file, and the page asks no other server.

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::answer::{self, Answer};

/// One file of the page.
pub struct File {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

macro_rules! files {
    ($($name:literal: $content_type:expr),* $(,)?) => {
        [$(File {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../dashboard/", $name)),
        }),*]
    };
}

static PAGE: &[u8] = include_bytes!("../../dashboard/index.html");

/// Below `/dashboard/`.
static FILES: [File; 19] = files! {
    "style.css": STYLE,
    "icon.svg": "image/svg+xml",
    "main.js": JAVASCRIPT,
    "store.js": JAVASCRIPT,
    "session.js": JAVASCRIPT,
    "rates.js": JAVASCRIPT,
    "format.js": JAVASCRIPT,
    "parts.js": JAVASCRIPT,
    "header.js": JAVASCRIPT,
    "flow.js": JAVASCRIPT,
    "charts.js": JAVASCRIPT,
    "plugins.js": JAVASCRIPT,
    "clusters.js": JAVASCRIPT,
    "events.js": JAVASCRIPT,
    "vendor/preact.umd.js": JAVASCRIPT,
    "vendor/hooks.umd.js": JAVASCRIPT,
    "vendor/htm.umd.js": JAVASCRIPT,
    "vendor/uPlot.iife.min.js": JAVASCRIPT,
    "vendor/uPlot.min.css": STYLE,
};

/// Nothing but its own files runs, is shown, or is asked; no other page frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page itself.
pub fn page() -> Answer {
    secured(answer::whole(StatusCode::OK, "text/html; charset=utf-8", PAGE))
}

/// The file at a path.
pub fn file(path: &str) -> Option<&'static File> {
    let name = path.strip_prefix("/dashboard/")?;
    FILES.iter().find(|file| file.name == name)
}

/// Whether a path is the page or a part of it: nothing in them is secret.
pub fn is_part(path: &str) -> bool {
    path == "/" || file(path).is_some()
}

pub fn answer(file: &'static File) -> Answer {
    secured(answer::whole(StatusCode::OK, file.content_type, file.bytes))
}

fn secured(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The page is another one after an upgrade of the gateway.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}
