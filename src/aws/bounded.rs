//! An HTTP client that reads no more of an answer than an answer of AWS can have.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// Several times what the largest page has that is asked for: 300 records, 100 events.
const MOST: usize = 4 * 1024 * 1024;

/// The same client, bounded.
pub(super) fn client(inner: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Connector(inner.http_connector(settings, components)))
    })
}

#[derive(Debug)]
struct Connector(SharedHttpConnector);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = answer.take_body();
            *answer.body_mut() = SdkBody::from_body_1_x(Limited::new(body, MOST));
            Ok(answer)
        })
    }
}
