//! `slipway demo --check`: sends every request of the demo and changes a rule, through real sockets.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::example::Example;
use super::tries::{self, Try};
use super::{Place, client};
use crate::cli::print::{self, BAD, GOOD, plural, styled};
use crate::cli::{FINE, NOT_FINE};

/// How long a change may take to be seen. It takes milliseconds; a busy machine needs some room.
const PATIENCE: Duration = Duration::from_secs(5);

/// A rule that the example does not have.
const NEW_RULE: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: fresh
spec:
  ingressClassName: nginx
  rules:
    - host: fresh.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: docs
                port:
                  name: http
";

const FRESH: Try = Try {
    title: "A rule that is added while it runs",
    tls: false,
    http2: false,
    host: "fresh.example",
    path: "/",
    status: 200,
    holds: "Hello from docs",
};

/// Runs the checks and prints what passed. Answers the exit code.
pub(super) async fn run(place: &Place, example: &Example) -> u8 {
    let mut rows = Vec::new();
    for attempt in &tries::ALL {
        let answer = client::send(attempt, place, &example.certificate).await;
        let verdict = answer.and_then(|answer| attempt.judge(&answer));
        rows.push((attempt.title, verdict.map(|()| attempt.expectation())));
    }
    rows.push(("Two endpoints share requests evenly", turns(place, example).await));
    rows.push((FRESH.title, change(place, example).await));
    let failed = rows.iter().filter(|(_, verdict)| verdict.is_err()).count();
    let table: Vec<_> = rows
        .into_iter()
        .map(|(title, verdict)| match verdict {
            Ok(text) => (GOOD, vec!["pass".to_owned(), title.to_owned(), text]),
            Err(text) => (BAD, vec!["FAIL".to_owned(), title.to_owned(), text]),
        })
        .collect();
    print::out(&print::table(&["", "what", "answer"], &table));
    if failed == 0 {
        print::out(&format!("{}\n", styled(GOOD, &format!("All {} checks passed.", table.len()))));
        return FINE;
    }
    print::out(&format!("{}\n", styled(BAD, &format!("{} failed.", plural(failed, "check")))));
    NOT_FINE
}

/// Sends ten requests to the Service with two endpoints and counts who answers.
async fn turns(place: &Place, example: &Example) -> Result<String, String> {
    let mut counts = [0, 0];
    let attempt = Try { host: "shop.example", path: "/cart", holds: "", ..FRESH };
    for _ in 0..10 {
        let answer = client::send(&attempt, place, &example.certificate).await?;
        counts[usize::from(answer.body.contains("cart-2"))] += 1;
    }
    let text = format!("{} and {} of 10", counts[0], counts[1]);
    // Each worker takes turns of its own, so that at most one request a worker is uneven.
    if counts.iter().all(|count| *count >= 3) { Ok(text) } else { Err(text) }
}

/// Adds a rule and waits until it answers.
async fn change(place: &Place, example: &Example) -> Result<String, String> {
    let before = client::send(&FRESH, place, &example.certificate).await?;
    if before.status != 404 {
        return Err(format!("{} answered {} before it was there", FRESH.host, before.status));
    }
    let written = Instant::now();
    example.put("fresh.yaml", NEW_RULE).map_err(|e| e.to_string())?;
    loop {
        let answer = client::send(&FRESH, place, &example.certificate).await?;
        let took = written.elapsed();
        match FRESH.judge(&answer) {
            Ok(()) => return Ok(format!("200, {} ms after it was written", took.as_millis())),
            Err(why) if took > PATIENCE => return Err(format!("not live after {PATIENCE:?}: {why}")),
            Err(_) => sleep(Duration::from_millis(2)).await,
        }
    }
}
