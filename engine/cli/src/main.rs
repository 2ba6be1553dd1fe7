//! The `phx` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    phx::driver()
}
