//! The ports that are probed.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Ports of the loopback interface that stand for the database as the application sees it.
#[derive(Debug, Default)]
pub struct Ports {
    ports: Vec<SocketAddr>,
    open: BTreeMap<SocketAddr, JoinHandle<()>>,
}

impl Ports {
    /// Opens so many.
    pub async fn open(count: usize) -> io::Result<Self> {
        let mut ports = Self::default();
        for _ in 0..count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let port = listener.local_addr()?;
            ports.ports.push(port);
            ports.serve(port, listener);
        }
        Ok(ports)
    }

    /// As `HEALTH_ENDPOINTS` names them.
    pub fn endpoints(&self) -> String {
        let endpoints: Vec<_> = self.ports.iter().map(|port| format!("tcp://{port}")).collect();
        endpoints.join(",")
    }

    /// Answers on a port.
    pub fn serve(&mut self, port: SocketAddr, listener: TcpListener) {
        let answering = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        self.open.insert(port, answering);
    }

    /// Closes what is open beyond the first so many ports; answers which are to be opened.
    pub fn wanted(&mut self, answering: usize) -> Vec<SocketAddr> {
        for port in self.ports.iter().skip(answering) {
            if let Some(open) = self.open.remove(port) {
                open.abort();
            }
        }
        self.ports.iter().take(answering).filter(|port| !self.open.contains_key(port)).copied().collect()
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        for open in self.open.values() {
            open.abort();
        }
    }
}
