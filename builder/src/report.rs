//! Errors as the user sees them, and the exit status that goes with each.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use host::{Interrupted, Kind, Problem};

/// The exit status of work that the user interrupted (128 + SIGINT).
const INTERRUPTED: u8 = 130;
/// The exit status of a request that cannot be carried out as given.
const REFUSED: u8 = 2;

/// Writes text to standard output. A reader that has seen enough (`| head`) is no
/// error; a result that cannot be written otherwise, say to a full disk, ends the
/// program with status 1.
pub fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: writing to standard output: {error}");
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Writes one formatted line as [`print`] does.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::report::print(&(format!($($argument)*) + "\n"))
    };
}
pub(crate) use say;

/// Prints an error with what to do next; gives the exit status.
pub fn error(error: &anyhow::Error) -> ExitCode {
    eprint!("{}", message(error));
    status(error)
}

/// Prints what clap found wrong; help and version are no errors.
pub fn usage(error: &clap::Error) -> ExitCode {
    // Standard output or error may be closed; there is nobody to tell then.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS }
}

fn status(error: &anyhow::Error) -> ExitCode {
    if find::<Interrupted>(error).is_some() {
        return ExitCode::from(INTERRUPTED);
    }
    match find::<Problem>(error).map(|problem| problem.kind) {
        Some(Kind::Refused) => ExitCode::from(REFUSED),
        _ => ExitCode::FAILURE,
    }
}

fn message(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error:#}\n");
    if let Some(hint) = find::<Problem>(error).and_then(|problem| problem.hint.as_ref()) {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

fn find<E: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use host::refused;

    use super::*;

    #[test]
    fn an_error_has_its_contexts_and_its_hint() {
        let error = Err::<(), _>(refused("port 0 is none").hint("choose another"))
            .context("reading a.toml")
            .unwrap_err();
        let expected = "error: reading a.toml: port 0 is none\nhint: choose another\n";
        assert_eq!(message(&error), expected);
    }

    #[test]
    fn an_interrupt_keeps_its_status_under_contexts() {
        let error = Err::<(), _>(Interrupted).context("compiling").unwrap_err();
        assert_eq!(status(&error), ExitCode::from(INTERRUPTED));
    }
}
