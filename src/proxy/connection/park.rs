//! Waits for the first bytes of a request with as little memory as possible.

use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::Client;
use super::io::ClientIo;
use crate::proxy::timer::{self, Elapsed, Timer};
use crate::proxy::worker::{self, Worker};

/// Waits until something can be read; false when the connection's time is over or the worker drains.
pub(super) async fn wait(io: &ClientIo, client: &Client) -> bool {
    if io.has_read_ahead() {
        return true;
    }
    let timer = Timer::new();
    timer.arm(left(client));
    std::future::poll_fn(|cx| {
        if io.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if worker::with(Worker::is_draining) {
            return Poll::Ready(false);
        }
        timer.poll(cx).map(|Elapsed| false)
    })
    .await
}

/// How long the connection may stay silent: a new one until its first head, another one between two requests.
fn left(client: &Client) -> Duration {
    let (keep_alive, header) = worker::with(|worker| {
        let view = worker.view();
        (view.settings().keep_alive, view.settings().client_header_timeout)
    });
    if client.requests.load(Ordering::Relaxed) == 0 {
        return header;
    }
    let idle = timer::now_millis().saturating_sub(client.active.load(Ordering::Relaxed));
    keep_alive.saturating_sub(Duration::from_millis(idle))
}
