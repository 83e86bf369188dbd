//! `slipway demo`: backends, an example and the curl lines to try, all in this process.

mod backend;
mod check;
mod client;
mod example;
mod tries;

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use super::{FINE, NOT_FINE, print};
use crate::app::{self, Plan, Signals, Started, certificate, options};
use crate::config::flags::{DemoFlags, LogLevel};
use crate::config::{Named, Rules, program};
use crate::metrics::Identity;
use crate::proxy;
use backend::Backends;
use example::Example;
use print::{CODE, DIM, STRONG, styled};

/// Enough to show more than one; nobody needs more for a demo.
const WORKERS: usize = 2;

/// The usual port of health and metrics.
const ADMIN: u16 = 10254;

/// Runs the demo until Ctrl-C, or its checks. Answers the exit code.
pub(super) fn run(flags: &DemoFlags) -> u8 {
    app::log::start(LogLevel::Warn);
    let served =
        app::control_runtime().map_err(|e| e.to_string()).and_then(|runtime| runtime.block_on(serve(flags)));
    served.unwrap_or_else(|message| print::error(&message, NOT_FINE))
}

async fn serve(flags: &DemoFlags) -> Result<u8, String> {
    let backends = Backends::start().await.map_err(|e| format!("cannot start backends: {e}"))?;
    let example = Example::write(flags.manifests.as_deref(), &backends.ports)?;
    let plan = plan(flags, &example)?;
    let ended = app::serve(plan, async |started: &Started, signals: &mut Signals| {
        let place = Place { http: started.http[0], https: started.https[0], admin: started.admin };
        if flags.check {
            return check::run(&place, &example).await;
        }
        print::out(&introduction(flags, &place, &example));
        signals.next().await;
        FINE
    });
    let ended = ended.await.map_err(|e| e.to_string())?;
    if !flags.check {
        print::out(&farewell(&example));
    }
    Ok(ended.result.unwrap_or(FINE).max(ended.code))
}

/// Where the demo listens.
struct Place {
    http: SocketAddr,
    https: SocketAddr,
    admin: SocketAddr,
}

fn plan(flags: &DemoFlags, example: &Example) -> Result<Plan, String> {
    let rules = rules();
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, free_or_any(port)));
    Ok(Plan {
        source: app::Source::Directory(options::files(&rules, example.directory())),
        compile: options::compile(&rules, Some(certificate::fallback()?), true)?,
        proxy: proxy::Options {
            http: vec![local(flags.http_port)],
            https: vec![local(flags.https_port)],
            workers: WORKERS,
            log: if flags.check { proxy::LogTarget::Off } else { proxy::LogTarget::Stdout },
        },
        admin: local(ADMIN),
        identity: Identity::default(),
        grace: Duration::ZERO,
    })
}

/// What `slipway ingress` takes without flags, and a short drain: nothing here is worth waiting for.
fn rules() -> Rules {
    Rules {
        ingress_class: "nginx".into(),
        controller_class: "k8s.io/ingress-nginx".into(),
        without_class: false,
        class_by_name: false,
        annotations_prefix: "nginx.ingress.kubernetes.io".into(),
        configmap: None::<Named>,
        set: vec![("worker-shutdown-timeout".into(), "3s".into())],
        default_certificate: None,
        default_backend: None,
        namespace: None,
        namespace_selector: None,
        no_catch_all: false,
        no_external_name: false,
    }
}

/// The port, or 0 (any) when something listens on it.
fn free_or_any(port: u16) -> u16 {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() { port } else { 0 }
}

fn introduction(flags: &DemoFlags, place: &Place, example: &Example) -> String {
    let mut out = format!("{}\n", styled(STRONG, "Slipway serves the quickstart example."));
    for (asked, got, flag) in [
        (flags.http_port, place.http.port(), "--http-port"),
        (flags.https_port, place.https.port(), "--https-port"),
    ] {
        if asked != got && asked != 0 {
            let _ = writeln!(out, "Port {asked} is taken, so this one is {got} ({flag} chooses another).");
        }
    }
    let _ = writeln!(out, "\n{}", styled(STRONG, "Try, in another terminal:"));
    for (number, attempt) in tries::ALL.iter().enumerate() {
        let _ = writeln!(out, "\n{}. {}", number + 1, attempt.title);
        let _ = writeln!(out, "   {}", styled(CODE, &attempt.curl(place)));
        let _ = writeln!(out, "   {}", styled(DIM, &format!("-> {}", attempt.expectation())));
    }
    let admin = if place.admin.port() == ADMIN { String::new() } else { format!(" --admin {}", place.admin) };
    let directory = example.directory().display();
    let _ = write!(
        out,
        "\n{}\n  {}\n{}\n  {}\n{}\n  {}\n\nAccess log follows. Ctrl-C ends the demo.\n\n",
        styled(STRONG, "Change a rule, save, and ask again: it is live within 100 ms."),
        styled(CODE, &format!("{directory}/ingress.yaml")),
        styled(STRONG, "Ask why a request is answered as it is:"),
        styled(CODE, &format!("{} explain http://shop.example/cart{admin}", program())),
        styled(STRONG, "Look at what is in force, and what is counted:"),
        styled(CODE, &format!("curl http://{0}/config   curl http://{0}/metrics", place.admin)),
    );
    out
}

fn farewell(example: &Example) -> String {
    match example.kept() {
        Some(directory) => format!("\nGoodbye. The example stays in {}.\n", directory.display()),
        None => format!("\nGoodbye. Next, with your own YAML: {} ingress --manifests DIR\n", program()),
    }
}
