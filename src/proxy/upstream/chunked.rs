//! Reads a chunked body (RFC 9112 7.1): bytes as they come -> data, trailers, end.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The longest chunk-size line and the longest trailer section taken, in bytes.
const LINE_LIMIT: usize = 16 << 10;

/// Where in the coding the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    /// At a chunk-size line.
    Size,
    /// In a chunk's data: so many bytes are left.
    Data(u64),
    /// At the line end behind a chunk's data.
    DataEnd,
    /// In the trailer section.
    Trailers,
    /// Behind the end.
    Done,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Some data.
    Data(Bytes),
    /// The end, with the trailers (perhaps none).
    End(HeaderMap),
    /// More bytes are needed.
    More,
}

impl Decoder {
    /// Takes the next event from the front of `buffer`. The error says what is wrong.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Event, &'static str> {
        loop {
            match *self {
                Self::Size => {
                    let Some(line) = take_line(buffer)? else { return Ok(Event::More) };
                    let size = chunk_size(&line)?;
                    *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                }
                Self::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(Event::More);
                    }
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    let left = left - taken as u64;
                    *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                    return Ok(Event::Data(buffer.split_to(taken).freeze()));
                }
                Self::DataEnd => {
                    match buffer.first() {
                        Some(b'\r') if buffer.len() == 1 => return Ok(Event::More),
                        None => return Ok(Event::More),
                        Some(b'\r') if buffer[1] == b'\n' => buffer.advance(2),
                        Some(_) => return Err("a chunk does not end where it should"),
                    }
                    *self = Self::Size;
                }
                Self::Trailers => {
                    let Some(trailers) = take_trailers(buffer)? else { return Ok(Event::More) };
                    *self = Self::Done;
                    return Ok(Event::End(trailers));
                }
                Self::Done => return Ok(Event::End(HeaderMap::new())),
            }
        }
    }
}

/// A line without its end.
fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, &'static str> {
    let Some(end) = buffer.iter().position(|b| *b == b'\n') else {
        return if buffer.len() > LINE_LIMIT { Err("a chunk-size line is too long") } else { Ok(None) };
    };
    let mut line = buffer.split_to(end + 1);
    if !line.ends_with(b"\r\n") {
        return Err("a chunk-size line does not end in CR LF");
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end();
    let fine = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| fine);
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or("a chunk size is not a number")
}

fn take_trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, &'static str> {
    if buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let (length, trailers) = match httparse::parse_headers(buffer, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) => {
            let field = |field: &httparse::Header<'_>| {
                Some((
                    HeaderName::from_bytes(field.name.as_bytes()).ok()?,
                    HeaderValue::from_bytes(field.value).ok()?,
                ))
            };
            (length, fields.iter().filter_map(field).collect())
        }
        Ok(httparse::Status::Partial) if buffer.len() <= LINE_LIMIT => return Ok(None),
        Ok(httparse::Status::Partial) => return Err("the trailers are too long"),
        Err(_) => return Err("a trailer is broken"),
    };
    buffer.advance(length);
    Ok(Some(trailers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `step` bytes and gathers data and trailers.
    fn decode(text: &[u8], step: usize) -> Result<(Vec<u8>, HeaderMap, Vec<u8>), &'static str> {
        let (mut decoder, mut buffer, mut data) = (Decoder::Size, BytesMut::new(), Vec::new());
        let mut pieces = text.chunks(step);
        loop {
            match decoder.next(&mut buffer)? {
                Event::Data(bytes) => data.extend_from_slice(&bytes),
                Event::End(trailers) => {
                    let rest = pieces.flatten().copied();
                    return Ok((data, trailers, buffer.iter().copied().chain(rest).collect()));
                }
                Event::More => buffer.extend_from_slice(pieces.next().ok_or("the bytes ran out")?),
            }
        }
    }

    #[test]
    fn data_is_the_same_however_it_is_cut() {
        let text = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nX-Sum: 7\r\n\r\nNEXT";
        for step in 1..text.len() {
            let (data, trailers, rest) = decode(text, step).unwrap();
            assert_eq!(data, b"hello world", "step {step}");
            assert_eq!(trailers["x-sum"], "7");
            assert_eq!(rest, b"NEXT");
        }
    }

    #[test]
    fn broken_coding_is_refused() {
        for text in [
            "x\r\n",
            "5\r\nhelloX",
            "-5\r\n",
            "5 5\r\nhello\r\n",
            "\r\n",
            "11111111111111111\r\n",
            "5\nhello",
        ] {
            assert!(decode(text.as_bytes(), 3).is_err(), "{text:?}");
        }
    }
}
