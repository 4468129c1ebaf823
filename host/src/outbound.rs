//! Requests that the gateway makes for itself, to certificate authorities and to collectors of traces: HTTP/1.1, a
//! connection for each. There are few of them, and nobody waits for one on a data thread.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::{self, TlsError};

/// For a request with all that belongs to it.
const LIMIT: Duration = Duration::from_secs(30);

/// Of an answer. Chains of certificates have a few KiB.
const MOST_BYTES: usize = 1 << 20;

/// What went wrong, in words.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How such requests are sent.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    tls: Arc<ClientConfig>,
    /// Whether URLs with `http` are allowed.
    plain: bool,
}

impl Outbound {
    /// To servers that `roots` vouch for; `plain` allows URLs without TLS.
    ///
    /// # Errors
    /// TLS can't be set up.
    pub fn new(roots: RootCertStore, plain: bool) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        Ok(Self { tls: Arc::new(config.with_root_certificates(roots).with_no_client_auth()), plain })
    }

    /// Send a request, and take in its answer, of at most a mebibyte, within half a minute.
    ///
    /// # Errors
    /// There is no answer, or a larger one.
    pub async fn send<B>(self, request: Request<B>) -> Result<Response<Bytes>, Failure>
    where
        B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static,
    {
        let answer = tokio::time::timeout(LIMIT, self.exchange(request)).await;
        answer.unwrap_or_else(|_| Err("there was no answer in time".into()))
    }

    async fn exchange<B>(self, mut request: Request<B>) -> Result<Response<Bytes>, Failure>
    where
        B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static,
    {
        let authority = request.uri().authority().ok_or("there is no host in the address")?.clone();
        let encrypted = request.uri().scheme() == Some(&Scheme::HTTPS);
        // Whoever answers may name the next address; secrets go to none of them in the clear.
        if !encrypted && !self.plain {
            return Err(format!("{} is not https", request.uri()).into());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(authority.as_str())?);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        *request.uri_mut() = path.parse::<Uri>()?;
        let reach = |error: std::io::Error| format!("{authority} can't be reached: {error}");
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(reach)?;
        if !encrypted {
            return speak(stream, request).await;
        }
        let stream = TlsConnector::from(self.tls).connect(ServerName::try_from(host)?, stream).await.map_err(reach)?;
        speak(stream, request).await
    }
}

async fn speak<S, B>(stream: S, request: Request<B>) -> Result<Response<Bytes>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await?.to_bytes();
        Ok::<_, Failure>(Response::from_parts(parts, body))
    };
    // Whatever becomes of the connection, the exchange tells.
    tokio::pin!(connection, exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => { ended?; exchange.await }
    }
}
