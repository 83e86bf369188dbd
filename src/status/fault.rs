//! Why the API server did not do what it was asked, and what that means for trying again.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The object, or its namespace, is not there or about to go.
    Absent,
    /// Somebody else was faster: it exists already, or changed meanwhile.
    Conflict,
    /// A right is missing; the text names it.
    Forbidden(String),
    /// The API server will not take it as it is, however often it is sent.
    Refused(String),
    /// Nobody answered, or the answer was that it cannot answer now.
    Away(String),
}

impl Fault {
    fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else { return Self::without_answer(error) };
        let terminating = |cause: &kube::core::response::StatusCause| cause.reason == "NamespaceTerminating";
        let causes = status.details.as_ref().map(|details| details.causes.as_slice());
        match status.code {
            404 | 410 => Self::Absent,
            403 if causes.unwrap_or_default().iter().any(terminating) => Self::Absent,
            409 => Self::Conflict,
            401 => Self::Forbidden("the API server does not accept the credentials".into()),
            403 => Self::Forbidden(status.message.clone()),
            408 | 429 => Self::Away(format!("it asks to wait ({})", status.code)),
            400..500 => Self::Refused(status.message.clone()),
            code => Self::Away(format!("it answers {code}: {}", status.message)),
        }
    }

    fn without_answer(error: &kube::Error) -> Self {
        if let kube::Error::SerdeError(why) = error {
            return Self::Refused(format!("its answer is not understood: {why}"));
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Self::Away(cause.to_string())
    }

    /// Whether both call for the same line in the log.
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("it is not there"),
            Self::Conflict => f.write_str("somebody else changed it meanwhile"),
            Self::Forbidden(right) => {
                write!(f, "a right is missing: {right}; grant it to the service account, as the chart does")
            }
            Self::Refused(why) => write!(f, "it is refused: {why}"),
            Self::Away(why) => write!(f, "the API server does not answer: {why}"),
        }
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn ask<T>(
    limit: Duration,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Fault> {
    match timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| Fault::of(&error)),
        Err(_) => Err(Fault::Away(format!("no answer within {} s", limit.as_secs_f32()))),
    }
}

/// Says what goes wrong when it begins and when it is over, not each time it is tried.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    said: Option<Fault>,
}

impl Complaint {
    /// It went wrong. `what` is the sentence's beginning.
    pub(super) fn wrong(&mut self, what: &str, fault: &Fault) {
        if !self.said.as_ref().is_some_and(|said| said.is_like(fault)) {
            warn!("{what}: {fault}; it is tried again");
            self.said = Some(fault.clone());
        }
    }

    /// It went well.
    pub(super) fn over(&mut self, what: &str) {
        if self.said.take().is_some() {
            info!("{what}: works again");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, cause: &str) -> Fault {
        let status = json!({"code": code, "message": "text", "details": {"causes": [{"reason": cause}]}});
        Fault::of(&kube::Error::Api(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn an_answer_tells_whether_trying_again_helps() {
        let away = |code: u16| Fault::Away(format!("it answers {code}: text"));
        let table = [
            (404, Fault::Absent),
            (409, Fault::Conflict),
            (403, Fault::Forbidden("text".into())),
            (422, Fault::Refused("text".into())),
            (429, Fault::Away("it asks to wait (429)".into())),
            (500, away(500)),
            (503, away(503)),
        ];
        for (code, fault) in table {
            assert_eq!(answer(code, ""), fault, "{code}");
        }
        assert_eq!(answer(403, "NamespaceTerminating"), Fault::Absent);
    }

    #[test]
    fn a_missing_right_is_named_with_the_remedy() {
        let text = answer(403, "").to_string();
        assert!(text.contains("text; grant it to the service account"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_as_good_as_nobody_there() {
        let silence = std::future::pending::<kube::Result<()>>();
        let answer = ask(Duration::from_secs(5), silence).await;
        assert_eq!(answer, Err(Fault::Away("no answer within 5 s".into())));
    }
}
