//! A byte stream spoken by hand: for odd requests, odd answers, and to see exactly what comes.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    /// The one value of a field; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.headers);
        first
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A field of the request that an echo backend saw; empty when there was none.
    pub fn saw(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        let mut values = self.text().lines().filter_map(|line| line.strip_prefix(&start));
        let first = values.next().unwrap_or_default();
        assert!(values.next().is_none(), "the backend saw {name} twice: {}", self.text());
        first
    }

    /// The request line that an echo backend saw.
    pub fn saw_line(&self) -> &str {
        self.text().lines().next().unwrap_or_default()
    }
}

/// A stream with what was read ahead.
pub struct Wire<S> {
    pub stream: S,
    read: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, read: BytesMut::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The same, where the other end may have had enough.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// A head with its blank line; `None` when the stream ends before one began.
    pub async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.read.split_to(end + 4);
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.fill().await {
                assert!(self.read.is_empty(), "it ended within a head: {:?}", self.read);
                return None;
            }
        }
    }

    /// So many bytes.
    pub async fn take(&mut self, count: usize) -> Bytes {
        while self.read.len() < count {
            assert!(self.fill().await, "it ended after {:?}, {count} bytes were due", self.read);
        }
        self.read.split_to(count).freeze()
    }

    /// A line without its end.
    pub async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(2).position(|window| window == b"\r\n") {
                let line = self.read.split_to(end + 2);
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(self.fill().await, "it ended within a line: {:?}", self.read);
        }
    }

    /// A chunk; empty at the end of the body, whose trailers are left.
    pub async fn chunk(&mut self) -> Bytes {
        let line = self.line().await;
        let size =
            usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
        if size == 0 {
            return Bytes::new();
        }
        let data = self.take(size).await;
        assert_eq!(self.take(2).await, "\r\n");
        data
    }

    /// Everything until the end of the stream, be it a reset.
    pub async fn rest(&mut self) -> Bytes {
        while self.fill().await {}
        self.read.split().freeze()
    }

    /// The answer to a request that was not a HEAD.
    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await.expect("an answer, not the end");
        let mut answer = parse(&head);
        if answer.status / 100 == 1 || matches!(answer.status, 204 | 304) {
            return answer;
        }
        if answer.headers.contains_key("transfer-encoding") {
            let mut body = BytesMut::new();
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            loop {
                let line = self.line().await;
                let Some((name, value)) = line.split_once(':') else { break };
                insert(&mut answer.trailers, name, value);
            }
            answer.body = body.freeze();
        } else if let Some(length) = answer.headers.get("content-length") {
            answer.body = self.take(length.to_str().unwrap().parse().unwrap()).await;
        } else {
            answer.body = self.rest().await;
        }
        answer
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// Reads once; false at the end.
    async fn fill(&mut self) -> bool {
        self.stream.read_buf(&mut self.read).await.is_ok_and(|count| count > 0)
    }
}

/// A head as an answer without body.
pub fn parse(head: &str) -> Answer {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap();
    let code = status.split(' ').nth(1).unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
        insert(&mut headers, name, value);
    }
    Answer {
        status: code.parse().unwrap_or_else(|_| panic!("no status line: {status:?}")),
        headers,
        body: Bytes::new(),
        trailers: HeaderMap::new(),
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
}
