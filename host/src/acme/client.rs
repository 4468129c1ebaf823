//! How an authority's server is asked: HTTP/1.1 over TLS, a connection for each request. There are a dozen requests in
//! two months.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::AcmeError;
use crate::tls::{self, Contents, TlsError};

/// For a request with all that belongs to it.
const LIMIT: Duration = Duration::from_secs(30);

/// Of an answer. Chains of certificates have a few KiB.
const MOST_BYTES: usize = 1 << 20;

pub(super) struct Client(Arc<ClientConfig>);

impl Client {
    /// `ca` is who vouches for the server, if not those that the system trusts.
    pub fn new(ca: Option<&Path>) -> Result<Self, AcmeError> {
        let roots = match ca {
            Some(path) => {
                let content = std::fs::read(path).map_err(|error| error.to_string());
                tls::authorities(&Contents::from([(path.to_owned(), content)]), path)?.0
            }
            None => tls::system_authorities()?,
        };
        let config = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = Arc::clone(&self.0);
        Box::pin(async move {
            let answer = tokio::time::timeout(LIMIT, send(tls, request)).await;
            let answer = answer.unwrap_or_else(|_| Err("there was no answer in time".into()));
            answer.map(BytesResponse::from).map_err(Error::Other)
        })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn send(
    tls: Arc<ClientConfig>,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, Failure> {
    // Whoever answers names the next address; secrets go by none of them in the clear.
    if request.uri().scheme() != Some(&Scheme::HTTPS) {
        return Err(format!("{} is not https", request.uri()).into());
    }
    let authority = request.uri().authority().ok_or("there is no host in the address")?.clone();
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let reach = |error: std::io::Error| format!("{authority} can't be reached: {error}");
    let stream = TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await.map_err(reach)?;
    let stream = TlsConnector::from(tls).connect(ServerName::try_from(host)?, stream).await.map_err(reach)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    request.headers_mut().insert(header::HOST, HeaderValue::try_from(authority.as_str())?);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse::<Uri>()?;
    let exchange = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await?.to_bytes();
        Ok::<_, Failure>(Response::from_parts(parts, Full::new(body)))
    };
    // Whatever becomes of the connection, the exchange tells.
    tokio::pin!(connection, exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => { ended?; exchange.await }
    }
}
