//! The ports that are probed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// Ports of the loopback interface that stand for the database as the application sees it.
#[derive(Debug, Default)]
pub struct Ports(Vec<Port>);

#[derive(Debug)]
struct Port {
    address: SocketAddr,
    /// Answers while there is one.
    answering: Option<JoinHandle<()>>,
}

impl Ports {
    /// Opens so many.
    pub async fn open(count: usize) -> io::Result<Self> {
        let mut ports = Self::default();
        for _ in 0..count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.0.push(Port { address: listener.local_addr()?, answering: Some(serve(listener)) });
        }
        Ok(ports)
    }

    /// As `HEALTH_ENDPOINTS` names them.
    pub fn endpoints(&self) -> String {
        let endpoints: Vec<_> = self.0.iter().map(|port| format!("tcp://{}", port.address)).collect();
        endpoints.join(",")
    }

    /// From now on so many of them answer.
    pub fn answer(&mut self, count: usize) -> io::Result<()> {
        for (index, port) in self.0.iter_mut().enumerate() {
            if index >= count {
                if let Some(answering) = port.answering.take() {
                    answering.abort();
                }
            } else if port.answering.is_none() {
                let socket = TcpSocket::new_v4()?;
                socket.set_reuseaddr(true)?;
                socket.bind(port.address)?;
                port.answering = Some(serve(socket.listen(1024)?));
            }
        }
        Ok(())
    }
}

fn serve(listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move { while listener.accept().await.is_ok() {} })
}
