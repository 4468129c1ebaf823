//! Where a token is in a request.

use sluice_plugin::Field;
use sluice_plugin::prelude::*;

use crate::config::Config;

/// Where to look.
pub(crate) struct Source {
    header: String,
    cookie: Option<String>,
    hide: bool,
}

pub(crate) enum Found {
    Nothing,
    Token(String),
    /// Which of them counts would be anybody's guess.
    Several,
}

impl Source {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        if !Field::is_name(&config.header) {
            return Err(Error::at("header", "must be the name of a header field, like \"authorization\""));
        }
        if config.cookie.as_deref().is_some_and(|name| !Field::is_name(name)) {
            return Err(Error::at("cookie", "must be the name of a cookie"));
        }
        Ok(Self {
            header: config.header.to_ascii_lowercase(),
            cookie: config.cookie.clone(),
            hide: config.hide_credentials,
        })
    }

    pub(crate) fn find(&self, request: &Request) -> Found {
        let mut found = request.header_values(&self.header).into_iter().filter_map(|value| self.token(&value));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => return Found::Several,
            (Some(token), None) => return Found::Token(token),
            (None, _) => {}
        }
        let Some(name) = &self.cookie else { return Found::Nothing };
        let cookies = request.header_values("cookie");
        let mut found = cookies.iter().flat_map(|value| pairs(value)).filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Found::Several,
            (Some((_, token)), None) => Found::Token(token),
            (None, _) => Found::Nothing,
        }
    }

    /// The token of one field: after `Bearer` in `Authorization`, in any other field with or without it.
    fn token(&self, value: &[u8]) -> Option<String> {
        // Bytes that aren't text can't be a token; they are kept as something that no token is.
        let text = String::from_utf8_lossy(value);
        let text = text.trim_matches([' ', '\t']);
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(rest.trim_start_matches(' ').to_owned());
        }
        (self.header != "authorization").then(|| text.to_owned())
    }

    pub(crate) fn hide(&self, request: &mut Request) -> Result<()> {
        if !self.hide {
            return Ok(());
        }
        if request.header_values(&self.header).iter().any(|value| self.token(value).is_some()) {
            request.remove_header(&self.header)?;
        }
        let Some(name) = &self.cookie else { return Ok(()) };
        let cookies = request.header_values("cookie");
        if !cookies.iter().flat_map(|value| pairs(value)).any(|(key, _)| key == *name) {
            return Ok(());
        }
        let others = cookies.iter().flat_map(|value| pairs(value)).filter(|(key, _)| key != name);
        let others: Vec<String> = others.map(|(key, value)| format!("{key}={value}")).collect();
        request.remove_header("cookie")?;
        if !others.is_empty() {
            request.set_header("cookie", others.join("; "))?;
        }
        Ok(())
    }
}

/// The cookies of one field (RFC 6265 section 4.2.1).
fn pairs(value: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(value);
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}
