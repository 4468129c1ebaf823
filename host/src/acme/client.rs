//! How an authority's server is asked. There are a dozen requests in two months.

use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use super::AcmeError;
use crate::outbound::Outbound;
use crate::tls::{self, Contents};

pub(super) struct Client(Outbound);

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
        Ok(Self(Outbound::new(roots, false)?))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let outbound = self.0.clone();
        Box::pin(async move {
            let answer = outbound.send(request).await.map_err(Error::Other)?;
            Ok(BytesResponse::from(answer.map(Full::new)))
        })
    }
}
