//! The `slipway` command: parse, run a command, exit code.

use std::process::ExitCode;

use slipway::cli;

/// Gives freed memory back and does not fragment under many connections.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(cli::start())
}
