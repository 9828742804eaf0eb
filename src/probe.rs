//! Probes: does anything answer where the application or the database should?
//!
//! A TCP connection, or an HTTP status from 200 to 299, is an answer. Redirects are not followed and bodies are
//! not read. Each probe is a connection of its own: a pooled one that died would answer for all confirmations.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::model::Probes;
use crate::policy::Endpoint;

/// Asks endpoints whether they answer.
pub struct Prober {
    endpoints: Vec<Endpoint>,
    timeout: Duration,
    tls: Option<TlsConnector>,
}

impl Prober {
    /// A prober of these endpoints; `None` if there are none.
    pub fn new(endpoints: &[Endpoint], timeout: Duration) -> Option<Self> {
        if endpoints.is_empty() {
            return None;
        }
        // Reading the root certificates takes a while on a small function: only where TLS is spoken.
        let tls = endpoints.iter().any(is_https).then(tls);
        Some(Self { endpoints: endpoints.to_vec(), timeout, tls })
    }

    /// Asks all endpoints at once.
    pub async fn ask(&self) -> Probes {
        let answers =
            futures_util::future::join_all(self.endpoints.iter().map(|endpoint| self.answers(endpoint)));
        let answered = answers.await.into_iter().filter(|answered| *answered).count();
        Probes { answered, asked: self.endpoints.len() }
    }

    async fn answers(&self, endpoint: &Endpoint) -> bool {
        let answer = async {
            match endpoint {
                Endpoint::Tcp(address) => TcpStream::connect(address.as_str()).await.is_ok(),
                Endpoint::Http(uri) => self.get(uri).await.unwrap_or(false),
            }
        };
        tokio::time::timeout(self.timeout, answer).await.unwrap_or(false)
    }

    async fn get(&self, uri: &http::Uri) -> Option<bool> {
        let host = uri.host()?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((name, port)).await.ok()?;
        match self.tls.as_ref().filter(|_| uri.scheme_str() == Some("https")) {
            Some(tls) => {
                let server = ServerName::try_from(name.to_owned()).ok()?;
                ask_for(uri, tls.connect(server, stream).await.ok()?).await
            }
            None => ask_for(uri, stream).await,
        }
    }
}

/// `GET` over a fresh connection.
async fn ask_for(uri: &http::Uri, stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<bool> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut connection = pin!(connection);
    // As words, not as parsed: those lack the `/` of an address whose query follows its host.
    let request =
        http::Request::get(uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string))
            .header(HOST, uri.authority()?.as_str())
            .header(USER_AGENT, env!("CARGO_PKG_NAME"))
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .ok()?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // It ended, and left the answer or an error.
        _ = &mut connection => answer.await,
    };
    Some(answer.ok()?.status().is_success())
}

fn is_https(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Http(uri) if uri.scheme_str() == Some("https"))
}

fn tls() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(roots).with_no_client_auth());
    let mut config = match config {
        Ok(config) => config,
        // The provider speaks TLS 1.2 and 1.3: there is no other error.
        Err(error) => unreachable!("{error}"),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}
