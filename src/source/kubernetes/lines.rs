//! The body of a watch, line by line.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::{Instant, timeout_at};

use super::trouble::Trouble;

/// The longest line: many times the largest object that an API server stores.
const LONGEST: usize = 32 << 20;

/// Lines as they arrive.
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no end of a line.
    searched: usize,
    patience: Duration,
    hurried: Option<Duration>,
    heard: Instant,
    begun: Instant,
    any: bool,
}

impl Lines {
    /// The lines of a body. A silence longer than `patience` counts as broken.
    pub(super) fn new(body: Body, patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            body,
            buffer: BytesMut::new(),
            searched: 0,
            patience,
            hurried: None,
            heard: now,
            begun: now,
            any: false,
        }
    }

    /// The next line; `None` when the server ended the answer. The future may be dropped at any time.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            if let Some(line) = self.take() {
                self.any = true;
                return Ok(Some(line));
            }
            if self.buffer.len() > LONGEST {
                return Err(Trouble::Broken(format!("a line is longer than {LONGEST} bytes")));
            }
            let patience = self.hurried.unwrap_or(self.patience);
            let silence = |_| Trouble::Broken(format!("nothing came for {} seconds", patience.as_secs()));
            let frame = timeout_at(self.heard + patience, self.body.frame()).await.map_err(silence)?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Trouble::cut(&error))?;
            self.heard = Instant::now();
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// Waits no longer than that for each piece.
    pub(super) fn hurry(&mut self, patience: Duration) {
        self.hurried = Some(patience);
    }

    /// Waits as long as at first.
    pub(super) fn relax(&mut self) {
        self.hurried = None;
    }

    /// When the answer began.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Whether there was any line.
    pub(super) fn brought_any(&self) -> bool {
        self.any
    }

    /// Cuts a line off the buffer. Empty ones do not count.
    fn take(&mut self) -> Option<Bytes> {
        loop {
            let Some(length) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return None;
            };
            let line = self.buffer.split_to(self.searched + length).freeze();
            self.buffer.advance(1);
            self.searched = 0;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{Stream, StreamExt};
    use http::{Request, Response};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A body of these pieces, as kube hands it out.
    async fn body(pieces: impl Stream<Item = &'static str> + Send + Sync + Clone + 'static) -> Body {
        let service = tower::service_fn(move |_: Request<Body>| {
            let frames = pieces.clone().map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
            async move { Ok::<_, Infallible>(Response::new(StreamBody::new(frames))) }
        });
        let client = kube::Client::new(service, "default");
        client.send(Request::new(Body::empty())).await.unwrap().into_body()
    }

    #[tokio::test(start_paused = true)]
    async fn lines_come_whole_however_the_body_is_cut() {
        let pieces = ["{\"a\":", "1}\n{\"b\":2}\n\n", "\n{\"c\"", ":3}\nrest"];
        let mut lines = Lines::new(body(futures_util::stream::iter(pieces)).await, Duration::from_secs(1));
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(String::from_utf8(line.to_vec()).unwrap());
        }
        assert_eq!(found, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it() {
        let mut lines = Lines::new(body(futures_util::stream::pending()).await, Duration::from_secs(7));
        lines.hurry(Duration::from_secs(3));
        assert_eq!(lines.next().await.unwrap_err(), Trouble::Broken("nothing came for 3 seconds".into()));
        lines.relax();
        assert_eq!(lines.next().await.unwrap_err(), Trouble::Broken("nothing came for 7 seconds".into()));
    }
}
