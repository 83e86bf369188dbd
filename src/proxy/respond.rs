//! Answers that do not come from a backend, and what is added to those that do.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode, Version};

use super::body::{Body, Content};
use super::record::Record;
use super::worker::{self, Worker};

/// A status, perhaps with a `Location`, and a short page for people.
pub(super) fn page(record: Record, status: StatusCode, location: Option<String>) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    if let Some(value) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(header::LOCATION, value);
    }
    let reason = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let page = format!(
        "<html>\r\n<head><title>{code} {reason}</title></head>\r\n<body>\r\n\
         <center><h1>{code} {reason}</h1></center>\r\n<hr><center>slipway</center>\r\n</body>\r\n</html>\r\n"
    );
    finish(record, status, headers, Content::Whole(Bytes::from(page)))
}

/// A few words of plain text.
pub(super) fn text(record: Record, words: &'static str) -> Response<Body> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
    finish(record, StatusCode::OK, headers, Content::Whole(Bytes::from_static(words.as_bytes())))
}

/// The answer as it goes out: HSTS over TLS, and the end of the connection where its time has come.
pub(super) fn finish(
    mut record: Record,
    status: StatusCode,
    mut headers: HeaderMap,
    content: Content,
) -> Response<Body> {
    let facts = record.facts();
    facts.trace.status = status.as_u16();
    if facts.client.listener.secure
        && let Some(hsts) = &facts.view.hsts
    {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    let most = facts.view.settings().keep_alive_requests;
    let last = most > 0 && facts.client.requests() >= most;
    if facts.parts.version < Version::HTTP_2 && (last || worker::with(Worker::is_draining)) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response::new(Body::new(content, record));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The head of an answer after which the connection is no longer HTTP.
pub(super) fn switch(status: StatusCode, headers: HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::none());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
