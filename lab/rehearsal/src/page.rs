//! A health page for one server, as an operator would put beside it: 200 where a query says that it takes writes.
//!
//! It runs on the server's host as a process of its own, in the form `rehearse page`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mysql_async::Row;
use tokio::net::TcpListener;

use crate::mariadb::query;

/// What the page asks the server.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// Whether it is read-only.
    Writable,
    /// Whether the node is synced in the primary component.
    Galera,
}

/// `rehearse page`
#[derive(Args, Clone, Debug)]
pub struct Page {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    socket: PathBuf,
    #[arg(long)]
    kind: Kind,
}

impl Page {
    /// Serves until it is killed.
    pub async fn serve(self) -> Result<()> {
        let listener = TcpListener::bind(self.listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let page = self.clone();
            let service = service_fn(move |_| {
                let page = page.clone();
                async move {
                    let (status, text) = page.look().await;
                    let mut response = Response::new(Full::new(Bytes::from(text)));
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    }

    async fn look(&self) -> (http::StatusCode, String) {
        let sql = match self.kind {
            Kind::Writable => "SELECT @@read_only",
            Kind::Galera => {
                "SHOW STATUS WHERE Variable_name IN ('wsrep_local_state', 'wsrep_cluster_status')"
            }
        };
        // Shorter than the function's HEALTH_ENDPOINT_TIMEOUT: a hung server is a 503, not a silence.
        match tokio::time::timeout(Duration::from_millis(700), query(&self.socket, sql)).await {
            Ok(Ok(rows)) if self.serves(&rows) => (http::StatusCode::OK, "serves\n".to_owned()),
            Ok(Ok(_)) => (http::StatusCode::SERVICE_UNAVAILABLE, "takes no writes\n".to_owned()),
            Ok(Err(error)) => (http::StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")),
            Err(_) => (http::StatusCode::SERVICE_UNAVAILABLE, "no answer in time\n".to_owned()),
        }
    }

    fn serves(&self, rows: &[Row]) -> bool {
        match self.kind {
            Kind::Writable => rows.first().and_then(|row| row.get::<u8, _>(0)) == Some(0),
            Kind::Galera => {
                let value = |name: &str| {
                    let row = rows.iter().find(|row| row.get::<String, _>(0).as_deref() == Some(name));
                    row.and_then(|row| row.get::<String, _>(1))
                };
                value("wsrep_local_state").as_deref() == Some("4")
                    && value("wsrep_cluster_status").as_deref() == Some("Primary")
            }
        }
    }
}
