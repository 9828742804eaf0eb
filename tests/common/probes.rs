//! Endpoints to probe.

use tokio::net::TcpListener;

/// Real sockets need real time.
pub const QUICK: (&str, &str) = ("CONFIRMATION_INTERVAL", "5ms");

/// Nothing listens there: a port that was free a moment ago.
pub async fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
}

/// Takes connections until it is dropped, and answers nothing.
pub struct Listening {
    pub endpoint: String,
    listener: std::net::TcpListener,
}

impl Listening {
    pub fn start() -> Self {
        Self::at("tcp://127.0.0.1:0")
    }

    /// Again where one was stopped.
    pub fn at(endpoint: &str) -> Self {
        let listener = std::net::TcpListener::bind(endpoint.trim_start_matches("tcp://")).unwrap();
        Self { endpoint: format!("tcp://{}", listener.local_addr().unwrap()), listener }
    }

    pub fn stop(self) {
        drop(self.listener);
    }
}

/// Accepts connections for as long as the test runs, and answers HTTP with this status line; its `host:port`.
pub async fn alive(status: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address.to_string()
}
