//! `[tracing]`

use http::Uri;
use http::uri::Scheme;
use toml::de::DeValue;

use super::{authorities, keys};
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::{Authorities, OtlpProtocol, SampleRate, Secret, Tracing};
use crate::config::problem::{Fault, quote};
use crate::config::{network, secrets, values};

const EXAMPLE: &str = "\"http://127.0.0.1:4317\"";
const HEADERS: &str = "headers = { \"x-api-key\" = { env = \"KEY\" } }";

pub(super) fn read(top: &Entry<'_>, surroundings: &Surroundings<'_>) -> Option<Tracing> {
    let entry = top.table("tracing", "[tracing]")?.allow(&keys::TRACING);
    let endpoint = entry.require("endpoint", EXAMPLE, endpoint);
    let protocol = entry.read("protocol", values::word(&[("grpc", OtlpProtocol::Grpc), ("http", OtlpProtocol::Http)]));
    let sample = entry.read("sample", sample);
    let service = entry.read("service", values::name);
    let ca = entry.read("ca", |node| authorities(node, surroundings));
    let mut headers = Vec::new();
    if let Some(table) = entry.table("headers", HEADERS) {
        for (name, _, node) in table.iter() {
            let read = table.parse(node, name, |node| {
                let value = secrets::text(node, surroundings)?;
                http::HeaderValue::from_str(&value)
                    .map_err(|_| Fault::new("holds what no field can carry", "write visible ASCII characters"))?;
                Ok((network::header_name(name)?, Secret::new(value)))
            });
            headers.extend(read.map(|read| read.value));
        }
    }
    let endpoint = endpoint?;
    if let (Some(ca), false) = (&ca, endpoint.value.starts_with("https")) {
        let fault = Fault::new("means nothing without TLS", "write https:// in the endpoint, or remove it");
        entry.report(&ca.place, "ca", fault);
    }
    Some(Tracing {
        endpoint: endpoint.value,
        protocol: protocol.map(|protocol| protocol.value).unwrap_or_default(),
        sample: sample.map_or(SampleRate::ALL, |sample| sample.value),
        service: service.map_or_else(|| "sluice".into(), |service| service.value),
        headers,
        ca: ca.map_or(Authorities::System, |ca| ca.value),
    })
}

fn endpoint(node: Node<'_>) -> Result<String, Fault> {
    let written = values::string(node)?;
    let uri: Option<Uri> = written.parse().ok();
    let known = |uri: &Uri| {
        (uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    };
    match uri.filter(known) {
        Some(_) => Ok(written.to_owned()),
        None => Err(Fault::new(
            format!("expected a collector's URL, found {}", quote(written)),
            format!("write {EXAMPLE}; keys belong into headers"),
        )),
    }
}

/// A share between 0 and 1.
fn sample(node: Node<'_>) -> Result<SampleRate, Fault> {
    let number = match node.value {
        DeValue::Float(float) => float.as_str().replace('_', "").parse::<f64>().ok(),
        DeValue::Integer(integer) => integer.as_str().parse::<f64>().ok(),
        _ => None,
    };
    match number.filter(|number| (0.0..=1.0).contains(number)) {
        Some(number) => Ok(SampleRate((number * f64::from(SampleRate::ALL.0)).round() as u32)),
        None => Err(Fault::new("expected a share between 0 and 1", "write sample = 0.01 for one request of 100")),
    }
}
