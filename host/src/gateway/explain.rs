//! What would become of a request by a configuration that isn't served: nothing is bound, and nothing is sent. Plugins
//! run as they would, but for their own requests, which find every cluster unavailable.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, Method, Request, Uri, header};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::view::Views;
use super::{Options, StartError};
use crate::body::Body;
use crate::config::model::Protocol;
use crate::proxy::{self, Story};
use crate::reload::Builder;
use crate::route::{RouteRequest, Verdict, explain, normalize_with};
use crate::server::Connection;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// A request to explain.
#[derive(Debug, Clone)]
pub struct Question {
    pub method: Method,
    /// Absolute.
    pub url: Uri,
    pub headers: HeaderMap,
    /// By default the first one that speaks HTTP.
    pub listener: Option<String>,
    /// By default 127.0.0.1.
    pub client: Option<IpAddr>,
}

/// All that there is to say.
#[derive(Debug)]
pub struct Explanation {
    pub snapshot: Arc<Snapshot>,
    pub listener: Arc<str>,
    /// By index of the configuration's routes; empty if the path isn't acceptable.
    pub verdicts: Vec<Verdict>,
    pub story: Story,
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("expected an absolute URL, such as \"GET http://localhost/users/7\"")]
    Url,
    #[error("there is no listener{} that speaks HTTP", .0.as_ref().map_or(String::new(), |name| format!(" {name:?}")))]
    Listener(Option<String>),
}

/// Explain what `options`' configuration makes of a request.
///
/// # Errors
/// Everything that is wrong with the configuration; a question that isn't one.
pub async fn explain_request(options: &Options, question: Question) -> Result<Explanation, ExplainError> {
    let metrics = Metrics::new();
    let (builder, snapshot) = Builder::preview(&options.config, metrics.clone()).map_err(StartError::from)?;
    let snapshot = Arc::new(snapshot);
    let config = snapshot.config().clone();
    let is_wanted = |name: &str| question.listener.as_ref().is_none_or(|wanted| wanted == name);
    let found = config.listeners.iter().position(|own| own.protocol == Protocol::Http && is_wanted(&own.name));
    let listener = found.and_then(|index| Some((index, config.listeners.get(index)?)));
    let Some((index, listener)) = listener else {
        return Err(ExplainError::Listener(question.listener));
    };
    let request = request(&question)?;
    let verdicts = normalize_with(question.url.path(), config.http.encoded_slashes).map_or_else(
        |_| Vec::new(),
        |path| {
            let headers = request.headers();
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            let query = question.url.query();
            let asked = RouteRequest { host, path: &path, method: &question.method, headers, query };
            explain(&config.routes, index, &asked)
        },
    );
    let connection = Connection {
        listener: listener.name.clone(),
        peer: SocketAddr::new(question.client.unwrap_or(Ipv4Addr::LOCALHOST.into()), 0),
        local: listener.address,
        scheme: if question.url.scheme_str() == Some("https") { "https" } else { "http" },
        tls: None,
    };
    let story = LocalSet::new()
        .run_until(async {
            let (retire, _retired) = mpsc::unbounded_channel();
            // Without the task that serves them, plugins' requests fail at once.
            let (mut views, _) = Views::new(0, metrics.clone(), retire, None);
            let view = views.build(1, snapshot.clone(), None);
            proxy::explain(&view, connection, request).await
        })
        .await;
    drop(builder);
    let listener = listener.name.clone();
    Ok(Explanation { snapshot, listener, verdicts, story })
}

/// The request as a client would send it.
fn request(question: &Question) -> Result<Request<Body>, ExplainError> {
    let authority = question.url.authority().ok_or(ExplainError::Url)?;
    let target = question.url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = question.method.clone();
    *request.uri_mut() = target.parse().map_err(|_| ExplainError::Url)?;
    *request.headers_mut() = question.headers.clone();
    if !request.headers().contains_key(header::HOST) {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host = http::HeaderValue::from_str(host).map_err(|_| ExplainError::Url)?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request)
}
