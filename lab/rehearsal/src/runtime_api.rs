//! Invokes the function through the Runtime API.
//!
//! One invocation at a time, in the order asked: a function with a reserved concurrency of one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;

/// How an invocation ended: the response, or the error as Lambda shows it.
pub type Ended = std::result::Result<Value, Value>;

/// The way to invoke the function that polls it.
#[derive(Clone)]
pub struct RuntimeApi {
    api: Arc<Mutex<emulator::RuntimeApi>>,
    pub address: SocketAddr,
}

/// One invocation, from when the function took it to its end.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub begun: Timestamp,
    pub ended: Timestamp,
    pub outcome: Ended,
}

impl RuntimeApi {
    pub async fn listen(address: Ipv4Addr) -> Result<Self> {
        let api = emulator::RuntimeApi::listen(address, crate::function::ARN).await?;
        Ok(Self { address: api.address, api: Arc::new(Mutex::new(api)) })
    }

    /// Invokes the function with a time limit, as configured for a Lambda function.
    ///
    /// # Errors
    /// If the function can't start, or does not answer within it; Lambda would end it.
    pub async fn invoke(&self, event: Value, limit: Duration) -> Result<Invocation> {
        let mut api = self.api.lock().await;
        let deadline = (Timestamp::now() + limit).as_millisecond();
        let mut taken = api.send(event.to_string(), deadline.try_into()?);
        let id = loop {
            tokio::select! {
                biased;
                id = &mut taken => break id.context("the invocation was dropped")?,
                // Before it is taken, a post is of an invocation that nobody waits for any more.
                post = api.post() => {
                    let post = post.context("the Runtime API has ended")?;
                    if post.path.ends_with("/init/error") {
                        bail!("the function does not start: {}", post.body);
                    }
                }
            }
        };
        let begun = Timestamp::now();
        let post = async {
            loop {
                let post = api.post().await.context("the Runtime API has ended")?;
                if post.path.contains(&id) {
                    return anyhow::Ok(post);
                }
            }
        };
        let post = tokio::time::timeout(limit + Duration::from_secs(2), post).await;
        let post = post.context("the function timed out")??;
        let outcome = if post.path.ends_with("/response") { Ok(post.body) } else { Err(post.body) };
        Ok(Invocation { begun, ended: Timestamp::now(), outcome })
    }
}
