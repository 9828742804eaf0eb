//! The door without TCP: an HTTP client for SDK configurations.

use std::io;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Response;

use crate::emulator::Emulator;
use crate::requests::Reply;

impl Emulator {
    /// A client whose every connection ends in this emulator. Waiting is by tokio's clock, so that
    /// it costs nothing while that is paused.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        let emulator = self.clone();
        http_client_fn(move |settings, _| {
            SharedHttpConnector::new(Connector {
                emulator: emulator.clone(),
                read_timeout: settings.read_timeout(),
            })
        })
    }
}

#[derive(Debug)]
struct Connector {
    emulator: Emulator,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let emulator = self.emulator.clone();
        let read_timeout = self.read_timeout;
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let Some(body) = request.body().bytes().map(Bytes::copy_from_slice) else {
                return Err(ConnectorError::user("the request's body is a stream".into()));
            };
            let wait = match emulator.handle(&request.map(|_| body)) {
                Reply::Answer(response) => return answer(response),
                Reply::Reset => {
                    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
                    return Err(ConnectorError::io(reset.into()));
                }
                Reply::AnswerAfter(delay, response) => Some((delay, response)),
                Reply::Hang => None,
            };
            match (wait, read_timeout) {
                (Some((delay, response)), limit) if limit.is_none_or(|limit| delay < limit) => {
                    tokio::time::sleep(delay).await;
                    answer(response)
                }
                (_, Some(limit)) => {
                    tokio::time::sleep(limit).await;
                    let timeout = io::Error::from(io::ErrorKind::TimedOut);
                    Err(ConnectorError::timeout(timeout.into()))
                }
                (_, None) => std::future::pending().await,
            }
        })
    }
}

fn answer(response: Response<Bytes>) -> Result<HttpResponse, ConnectorError> {
    response
        .map(SdkBody::from)
        .try_into()
        .map_err(|error: aws_smithy_runtime_api::http::HttpError| ConnectorError::other(error.into(), None))
}
