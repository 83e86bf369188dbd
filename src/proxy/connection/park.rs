//! Waits for the first bytes of a request with as little memory as possible.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::io::ClientIo;
use super::{Client, Open};
use crate::proxy::timer::{self, Elapsed, Timer};
use crate::proxy::worker::{self, Worker};

/// Parks a connection until something can be read, then serves it. It is closed when its time is over, or at once when
/// the worker drains.
pub(super) fn wait(io: ClientIo, client: Arc<Client>) {
    tokio::spawn(parked(io, client, Open::new()));
}

async fn parked(io: ClientIo, client: Arc<Client>, open: Open) {
    let timer = Timer::new();
    timer.arm(left(&client));
    let readable = std::future::poll_fn(|cx| {
        if io.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if worker::with(Worker::is_draining) {
            return Poll::Ready(false);
        }
        timer.poll(cx).map(|Elapsed| false)
    });
    if readable.await {
        resume(io, client, open);
    }
}

fn resume(io: ClientIo, client: Arc<Client>, open: Open) {
    tokio::spawn(async move {
        let _open = open;
        super::serve(io, client).await;
    });
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
