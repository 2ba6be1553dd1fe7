//! The HTTP client that the SDK is given: it hands requests to the emulator in this process, or to a sandbox server on this machine.
//!
//! The SDK believes that it talks to AWS's own hosts. No name is ever looked up and no connection goes anywhere but to a server's port on
//! 127.0.0.1, so nothing in the environment (`AWS_ENDPOINT_URL`, profiles, proxies) can lead to real AWS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::emulator::{Emulator, Request};

/// Tells a sandbox server which of AWS's hosts a request was meant for.
pub(super) const HOST_HEADER: &str = "x-phx-host";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
pub(super) enum Client {
    Here(Arc<Emulator>),
    /// A server's port on 127.0.0.1.
    Server(u16),
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Client(in this process)"),
            Self::Server(port) => write!(f, "Client(127.0.0.1:{port})"),
        }
    }
}

impl HttpClient for Client {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Client {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        HttpConnectorFuture::new(async move { client.send(request).await })
    }
}

impl Client {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let user = |e: BoxError| ConnectorError::user(e);
        let uri: http::Uri = request.uri().parse().map_err(|e: http::uri::InvalidUri| user(e.into()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| user(e.into()))?;
            headers.append(name, HeaderValue::from_str(value).map_err(|e| user(e.into()))?);
        }
        let body = ByteStream::new(request.take_body()).collect().await.map_err(|e| user(e.into()))?.into_bytes();
        let request = Request {
            method: request.method().to_owned(),
            host: uri.authority().map(ToString::to_string).unwrap_or_default(),
            path_and_query: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            headers,
            body,
        };
        let response = match self {
            Self::Here(emulator) => {
                let answer = emulator.handle(request).await;
                let mut response = http::Response::new(answer.body);
                *response.status_mut() = http::StatusCode::from_u16(answer.status).map_err(|e| user(e.into()))?;
                *response.headers_mut() = answer.headers;
                response
            }
            Self::Server(port) => exchange(*port, request).await.map_err(ConnectorError::io)?,
        };
        HttpResponse::try_from(response.map(SdkBody::from)).map_err(|e| ConnectorError::other(e.into(), None))
    }
}

/// Sends a request to a port of this machine. A connection for each request is quick enough there, and nothing can go stale.
pub(super) async fn exchange(port: u16, request: Request) -> Result<http::Response<Bytes>, BoxError> {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut out = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.path_and_query)
        .body(Full::new(request.body))?;
    *out.headers_mut() = request.headers;
    out.headers_mut().insert(http::header::HOST, HeaderValue::from_str(&format!("127.0.0.1:{port}"))?);
    out.headers_mut().insert(HOST_HEADER, HeaderValue::from_str(&request.host)?);
    let (head, body) = sender.send_request(out).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    connection.abort();
    Ok(http::Response::from_parts(head, body))
}
