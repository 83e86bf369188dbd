//! What can go wrong when the API server is asked, and what to tell people about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Why there is no answer, or not the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answers.
    Unreachable(String),
    /// An answer broke off or makes no sense.
    Broken(String),
    /// 401.
    Unauthorized(String),
    /// 403.
    Forbidden(String),
    /// 404.
    NotFound(String),
    /// 410: what was asked for is too long ago.
    Gone,
    /// 400 or 422: the server does not understand what was asked.
    Invalid(String),
    /// Any other refusal or fault.
    Server {
        /// The status code.
        code: u16,
        /// What the server says.
        message: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// The answer of an API server that refuses (`meta/v1` Status).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Refusal {
    code: u16,
    message: String,
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: u64,
}

/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

impl Trouble {
    /// No connection, or it broke before there was an answer.
    pub(super) fn of(error: &kube::Error) -> Self {
        Self::Unreachable(text(error))
    }

    /// An answer that broke off or makes no sense.
    pub(super) fn broken(error: &(dyn Error + 'static)) -> Self {
        Self::Broken(chain(error))
    }

    /// The connection broke in the middle of an answer.
    pub(super) fn cut(error: &kube::Error) -> Self {
        Self::Broken(text(error))
    }

    /// An answer that is a refusal: a status code, the header `Retry-After`, and a body that may be a Status.
    pub(super) fn refused(code: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let refusal = serde_json::from_slice(body).unwrap_or_else(|_| Refusal {
            message: String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned(),
            ..Refusal::default()
        });
        let asked = retry_after.and_then(|text| text.trim().parse().ok());
        Self::answer(Refusal { code, ..refusal }, asked)
    }

    /// A refusal in the middle of a watch.
    pub(super) fn told(refusal: Refusal) -> Self {
        Self::answer(refusal, None)
    }

    fn answer(Refusal { code, message, details }: Refusal, retry_after: Option<u64>) -> Self {
        let seconds = retry_after.or_else(|| details.map(|details| details.retry_after_seconds));
        match code {
            400 | 422 => Self::Invalid(message),
            401 => Self::Unauthorized(message),
            403 => Self::Forbidden(message),
            404 => Self::NotFound(message),
            410 => Self::Gone,
            code => {
                let wait = seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
                Self::Server { code, message, retry_after: wait.map(|wait| wait.min(LONGEST_WAIT)) }
            }
        }
    }

    /// How long the server wants to be left alone.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Server { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// One word, for metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Gone => "gone",
            Self::Invalid(_) => "invalid",
            Self::Server { code: 429, .. } => "throttled",
            Self::Server { .. } => "server",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the API server cannot be reached ({why})"),
            Self::Broken(why) => write!(f, "the API server's answer broke off ({why})"),
            Self::Unauthorized(said) => {
                write!(f, "the API server does not take the credentials ({}): renew them", or_nothing(said))
            }
            Self::Forbidden(said) => write!(f, "the API server forbids it ({})", or_nothing(said)),
            Self::NotFound(said) => {
                write!(
                    f,
                    "the API server does not have it ({}): Kubernetes 1.21 or newer is needed",
                    or_nothing(said)
                )
            }
            Self::Gone => f.write_str("the API server has forgotten what was asked for"),
            Self::Invalid(said) => write!(f, "the API server does not understand ({})", or_nothing(said)),
            Self::Server { code: 429, .. } => f.write_str("the API server has too much to do"),
            Self::Server { code, message, .. } => {
                write!(f, "the API server answers {code} ({})", or_nothing(message))
            }
        }
    }
}

fn or_nothing(said: &str) -> &str {
    if said.is_empty() { "and says nothing more" } else { said }
}

/// What kube says, without its name for it.
fn text(error: &kube::Error) -> String {
    match error {
        kube::Error::Service(cause) => chain(&**cause),
        _ => chain(error),
    }
}

/// An error with its causes, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_server_said_and_how_long_to_wait() {
        let body =
            br#"{"kind": "Status", "message": "too many", "details": {"retryAfterSeconds": 3}, "code": 429}"#;
        let trouble = Trouble::refused(429, None, body);
        assert_eq!((trouble.retry_after(), trouble.reason()), (Duration::from_secs(3), "throttled"));
        assert_eq!(Trouble::refused(503, Some("9"), body).retry_after(), Duration::from_secs(9));
        assert_eq!(Trouble::refused(503, Some("99999999"), b"").retry_after(), LONGEST_WAIT);
        assert_eq!(Trouble::refused(410, None, b"{}"), Trouble::Gone);
        let plain = Trouble::refused(502, None, b"bad gateway\n").to_string();
        assert_eq!(plain, "the API server answers 502 (bad gateway)");
        let silent = Trouble::refused(403, None, &[0xff, 0x00]);
        assert_eq!(silent.reason(), "forbidden");
    }

    #[test]
    fn a_refusal_in_a_watch_tells_its_own_code() {
        let refusal = serde_json::from_str(r#"{"code": 410, "reason": "Expired", "metadata": {}}"#).unwrap();
        assert_eq!(Trouble::told(refusal), Trouble::Gone);
    }
}
