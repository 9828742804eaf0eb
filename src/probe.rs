//! Probes: does anything answer where the application or the database should?
//!
//! A TCP connection, or an HTTP status from 200 to 299, is an answer. Redirects are not followed and bodies are
//! not read.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use tokio::net::TcpStream;

use crate::model::Probes;

/// What is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `http://…` or `https://…`
    Http(String),
    /// `tcp://host:port`, without the scheme.
    Tcp(String),
}

impl Endpoint {
    /// Parses `http://`, `https://` or `tcp://host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix("tcp://") {
            let (host, port) = address.rsplit_once(':')?;
            let bracketed = host.starts_with('[') && host.ends_with(']');
            let valid = !host.is_empty()
                && (bracketed || !host.contains([':', '/', '@']))
                && port.parse::<u16>().is_ok_and(|port| port > 0);
            return valid.then(|| Self::Tcp(address.to_owned()));
        }
        let uri: http::Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        // The parser lets a port pass that is none.
        let port = authority.as_str().strip_prefix(authority.host())?;
        let valid = matches!(uri.scheme_str(), Some("http" | "https"))
            && !authority.host().is_empty()
            && (port.is_empty() || authority.port_u16().is_some_and(|port| port > 0));
        valid.then(|| Self::Http(text.to_owned()))
    }
}

/// Asks endpoints whether they answer.
#[derive(Debug)]
pub struct Prober {
    endpoints: Vec<Endpoint>,
    timeout: Duration,
    http: SharedHttpConnector,
}

impl Prober {
    /// A prober of these endpoints; `None` if there are none.
    pub fn new(endpoints: &[Endpoint], timeout: Duration) -> Option<Self> {
        if endpoints.is_empty() {
            return None;
        }
        let settings =
            HttpConnectorSettings::builder().connect_timeout(timeout).read_timeout(timeout).build();
        let builder = Connector::builder().connector_settings(settings);
        let https = endpoints
            .iter()
            .any(|endpoint| matches!(endpoint, Endpoint::Http(uri) if uri.starts_with("https:")));
        // Reading the root certificates takes a while on a small function: only where TLS is spoken.
        let connector = if https {
            builder.tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build()
        } else {
            builder.build_http()
        };
        Some(Self { endpoints: endpoints.to_vec(), timeout, http: SharedHttpConnector::new(connector) })
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
                Endpoint::Http(uri) => self.get(uri).await,
            }
        };
        tokio::time::timeout(self.timeout, answer).await.unwrap_or(false)
    }

    async fn get(&self, uri: &str) -> bool {
        let mut request = HttpRequest::new(SdkBody::empty());
        if request.set_uri(uri).is_err() {
            return false;
        }
        request.headers_mut().insert("user-agent", "rds-route53-failover");
        match self.http.call(request).await {
            Ok(response) => (200..300).contains(&response.status().as_u16()),
            Err(_) => false,
        }
    }
}
