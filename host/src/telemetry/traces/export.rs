//! The thread that sends spans. While the collector is away, what fits into its queue waits, and the rest is dropped.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc as blocking};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::mpsc;

use super::{Finished, TraceMetrics, Tracer};
use crate::config::model::{Authorities, OtlpProtocol, Tracing};
use crate::outbound::Outbound;
use crate::tls::{self, Contents};

/// Requests that wait to be sent.
const QUEUE: usize = 4096;
/// Requests that are sent at once.
const BATCH: usize = 512;
/// How long the first of a batch waits for more.
const GATHER: Duration = Duration::from_secs(1);
/// How long a collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the thread is told.
pub(super) enum Message {
    Finished(Box<Finished>),
    /// Say when all before it is sent.
    Flush(blocking::SyncSender<()>),
}

/// Sends spans to one collector. Its thread ends, with all sent, when this and its tracers are gone.
pub struct Exporter {
    settings: Arc<Tracing>,
    sender: mpsc::Sender<Message>,
    metrics: Arc<TraceMetrics>,
}

impl Exporter {
    /// Start the thread.
    ///
    /// # Errors
    /// The system gives none.
    pub fn start(settings: &Arc<Tracing>, metrics: &Arc<TraceMetrics>) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (of_thread, counted) = (Arc::clone(settings), Arc::clone(metrics));
        std::thread::Builder::new()
            .name("sluice-traces".into())
            .spawn(move || runtime.block_on(run(&of_thread, receiver, &counted)))?;
        Ok(Self { settings: Arc::clone(settings), sender, metrics: Arc::clone(metrics) })
    }

    pub fn settings(&self) -> &Arc<Tracing> {
        &self.settings
    }

    /// For one data thread.
    pub fn tracer(&self) -> Tracer {
        Tracer::new(self.settings.sample, self.sender.clone(), Arc::clone(&self.metrics))
    }

    /// Wait until what was told so far is sent, `limit` at most. Blocks.
    pub fn flush(&self, limit: Duration) {
        let (done, is_done) = blocking::sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(limit);
        }
    }
}

async fn run(settings: &Tracing, mut receiver: mpsc::Receiver<Message>, metrics: &TraceMetrics) {
    let mut exporter = match exporter(settings) {
        Ok(exporter) => exporter,
        Err(error) => {
            tracing::error!(endpoint = settings.endpoint, %error, "no traces are sent");
            while receiver.recv().await.is_some() {
                metrics.failed.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
    };
    let resource = Resource::builder()
        .with_service_name(settings.service.to_string())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    exporter.set_resource(&resource);
    let scope = InstrumentationScope::builder("sluice").with_version(env!("CARGO_PKG_VERSION")).build();
    let mut away = false;
    while let Some(first) = receiver.recv().await {
        let mut batch = Batch::default();
        batch.take(first);
        let gathering = async {
            while !batch.is_full() {
                let Some(message) = receiver.recv().await else { break };
                batch.take(message);
            }
        };
        let _ = tokio::time::timeout(GATHER, gathering).await;
        let count = batch.finished.len() as u64;
        let spans = batch.finished.into_iter().flat_map(|finished| finished.spans(&scope)).collect();
        match exporter.export(spans).await {
            Ok(()) => {
                metrics.exported.fetch_add(count, Ordering::Relaxed);
                away = false;
            }
            Err(error) => {
                metrics.failed.fetch_add(count, Ordering::Relaxed);
                // Once, until it is back.
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(endpoint = settings.endpoint, %error, "the collector takes no traces");
                }
            }
        }
        drop(batch.flushed);
    }
}

/// What is sent at once.
#[derive(Default)]
struct Batch {
    finished: Vec<Finished>,
    /// Dropped when it is sent.
    flushed: Option<blocking::SyncSender<()>>,
}

impl Batch {
    fn take(&mut self, message: Message) {
        match message {
            Message::Finished(finished) => self.finished.push(*finished),
            Message::Flush(done) => self.flushed = Some(done),
        }
    }

    fn is_full(&self) -> bool {
        self.finished.len() >= BATCH || self.flushed.is_some()
    }
}

fn exporter(settings: &Tracing) -> Result<SpanExporter, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let exporter = match settings.protocol {
        OtlpProtocol::Grpc => {
            let mut builder = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(&settings.endpoint)
                .with_timeout(TIMEOUT)
                .with_metadata(MetadataMap::from_headers(
                    settings
                        .headers
                        .iter()
                        .filter_map(|(name, value)| Some((name.clone(), value.reveal().parse().ok()?)))
                        .collect(),
                ));
            if settings.endpoint.starts_with("https") {
                let tls = ClientTlsConfig::new();
                builder = builder.with_tls_config(match &settings.ca {
                    Authorities::System => tls.with_native_roots(),
                    Authorities::These(pem) => tls.ca_certificate(Certificate::from_pem(pem.as_bytes())),
                });
            }
            builder.build()
        }
        OtlpProtocol::Http => {
            let roots = match &settings.ca {
                Authorities::System if settings.endpoint.starts_with("https") => tls::system_authorities(),
                Authorities::System => Ok(rustls::RootCertStore::empty()),
                Authorities::These(pem) => {
                    let contents = Contents::from([("ca".into(), Ok(pem.as_bytes().to_vec()))]);
                    tls::authorities(&contents, "ca".as_ref()).map(|(roots, _)| roots)
                }
            };
            let outbound = roots.and_then(|roots| Outbound::new(roots, true)).map_err(|error| words(&error))?;
            let headers =
                settings.headers.iter().map(|(name, value)| (name.to_string(), value.reveal().to_owned())).collect();
            SpanExporter::builder()
                .with_http()
                .with_http_client(HttpClient(outbound))
                .with_endpoint(http_endpoint(&settings.endpoint))
                .with_timeout(TIMEOUT)
                .with_headers(headers)
                .build()
        }
    };
    exporter.map_err(|error| words(&error))
}

/// Where collectors take traces, if the URL has no path.
fn http_endpoint(endpoint: &str) -> String {
    let authority = endpoint.find("://").map_or(endpoint, |place| endpoint.get(place + 3..).unwrap_or_default());
    match authority.trim_end_matches('/').contains('/') {
        true => endpoint.to_owned(),
        false => format!("{}/v1/traces", endpoint.trim_end_matches('/')),
    }
}

#[derive(Debug)]
struct HttpClient(Outbound);

#[async_trait::async_trait]
impl opentelemetry_http::HttpClient for HttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, opentelemetry_http::HttpError> {
        self.0.clone().send(request.map(Full::new)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_the_usual_one() {
        for (written, meant) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example.com/", "https://collector.example.com/v1/traces"),
            ("https://collector.example.com/otlp/x", "https://collector.example.com/otlp/x"),
        ] {
            assert_eq!(http_endpoint(written), meant);
        }
    }
}
