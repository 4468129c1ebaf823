//! A connection to Redis that is ready to be used: opened, logged in, its scripts loaded, and one limit taken, so that
//! a server that answers but can't be written to (a replica, a full one) counts as away.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError, Value};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::command::{Call, Command, Script};
use super::{Limit, reply};
use crate::config::model::{Authorities, Redis, RedisAddress, Versions};
use crate::tls::{self, Contents, TlsError};

/// A server that answers. Its driver has to be polled all the while.
pub(super) struct Link {
    pub connection: MultiplexedConnection,
    /// By which the server knows the scripts, in the order of [`Script::ALL`].
    digests: Rc<[String]>,
}

pub(super) type Driver = Pin<Box<dyn Future<Output = ()>>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("can't connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("it is no Redis, or one without scripts")]
    Strange,
}

pub(super) async fn dial(settings: &Redis) -> Result<(Link, Driver), DialError> {
    match &settings.address {
        RedisAddress::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // Each decision is one small write that somebody waits for.
            stream.set_nodelay(true)?;
            match &settings.tls {
                None => over(stream, settings).await,
                Some(authorities) => over(encrypt(stream, host, authorities).await?, settings).await,
            }
        }
        RedisAddress::Unix(path) => over(UnixStream::connect(path).await?, settings).await,
    }
}

/// Shake hands with a server that shows a certificate for `host`.
async fn encrypt(stream: TcpStream, host: &str, authorities: &Authorities) -> Result<TlsStream<TcpStream>, DialError> {
    let setup = |error: &dyn std::fmt::Display| TlsError::Setup(error.to_string());
    let roots = match authorities {
        Authorities::System => tls::system_authorities()?,
        Authorities::These(text) => {
            let path = PathBuf::from("state.ca");
            let contents = Contents::from([(path.clone(), Ok(text.as_bytes().to_vec()))]);
            tls::authorities(&contents, &path)?.0
        }
    };
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::versions(Versions::Tls12And13))
        .map_err(|error| setup(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| setup(&error))?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

async fn over<S>(stream: S, settings: &Redis) -> Result<(Link, Driver), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut info = RedisConnectionInfo::default().set_db(i64::from(settings.database)).set_skip_set_lib_name();
    if let Some(username) = &settings.username {
        info = info.set_username(username);
    }
    if let Some(password) = &settings.password {
        info = info.set_password(password.reveal());
    }
    // Each operation has a deadline of its own.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (mut connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
    let mut driver: Driver = Box::pin(driver);
    let digests = tokio::select! {
        digests = prepare(&mut connection, settings) => digests?,
        () = &mut driver => return Err(closed().into()),
    };
    Ok((Link { connection, digests }, driver))
}

async fn prepare(connection: &mut MultiplexedConnection, settings: &Redis) -> Result<Rc<[String]>, DialError> {
    let mut digests = Vec::new();
    for script in Script::ALL {
        let load = redis::cmd("SCRIPT").arg("LOAD").arg(script.source()).clone();
        match answer(connection, &load).await? {
            Value::BulkString(digest) => digests.push(String::from_utf8(digest).map_err(|_| DialError::Strange)?),
            _ => return Err(DialError::Strange),
        }
    }
    let mut link = Link { connection: connection.clone(), digests: digests.into() };
    let limit = Limit { rate: 1_000_000_000, period_ms: 1, burst: 1_000_000_000 };
    let probe = Command::take(&settings.prefix, "probe", limit, 1);
    let answer = link.send(&probe.call).await?;
    reply::taken(&answer).map_err(|_| DialError::Strange)?;
    Ok(link.digests)
}

fn closed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "the connection was closed")
}

impl Link {
    /// Send one call and wait for its answer.
    pub async fn send(&mut self, call: &Call) -> Result<Value, RedisError> {
        let (script, key, arguments) = match call {
            Call::Plain(command) => return answer(&mut self.connection, command).await,
            Call::Script(script, key, arguments) => (*script, key, arguments),
        };
        let position = Script::ALL.iter().position(|own| *own == script).unwrap_or_default();
        let digest = self.digests.get(position).map_or("", String::as_str);
        let sent = answer(&mut self.connection, &run("EVALSHA", digest, key, arguments)).await;
        match sent {
            // Somebody has flushed the server's scripts; this brings it back.
            Err(error) if error.code() == Some("NOSCRIPT") => {
                answer(&mut self.connection, &run("EVAL", script.source(), key, arguments)).await
            }
            sent => sent,
        }
    }

    pub fn another(&self) -> Self {
        Self { connection: self.connection.clone(), digests: self.digests.clone() }
    }
}

/// What the server says to a command, or what it says against it.
async fn answer(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisError> {
    connection.send_packed_command(command).await?.extract_error()
}

fn run(command: &str, script: &str, key: &str, arguments: &[String]) -> Cmd {
    redis::cmd(command).arg(script).arg(1).arg(key).arg(arguments).clone()
}
