//! `appliance run` as a user sees it: this very program, started again as the
//! command.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use appliance::cli::{self, Cli};
use appliance::{report, run};
use clap::Parser;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};

use crate::image::Image;
use crate::project::{EXT3, VMWARE};
use crate::trial::trial;

/// Makes this program the command.
const AS_COMMAND: &str = "APPLIANCE_BOOT_TESTS_AS_COMMAND";
/// How long the command may take.
const DEADLINE: Duration = Duration::from_secs(200);

/// Whether this process is to be the command.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(AS_COMMAND).is_some()
}

/// The command, as far as the tests need it.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error),
    };
    let cli::Command::Run(args) = cli.command else { return ExitCode::FAILURE };
    let result = host::catch_interrupts().map_err(Into::into).and_then(|()| run::command(&args));
    result.unwrap_or_else(|error| report::error(&error))
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("run::ctrl_c_shuts_down", &EXT3, ctrl_c),
        trial("run::ctrl_c_shuts_a_vmware_guest_down", &VMWARE, ctrl_c),
        trial("run::a_busy_port_is_refused", &EXT3, busy_port),
        trial("run::too_little_memory_is_named_direct", &EXT3, |image| poor(image, "direct", 16)),
        trial("run::too_little_memory_is_named_uefi", &EXT3, |image| poor(image, "uefi", 64)),
    ]
}

fn ctrl_c(image: &Image) -> Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("run")
        .arg(&image.out)
        .env(AS_COMMAND, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting the command")?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
    let stdout = BufReader::new(child.stdout.take().context("the command's output")?);
    let mut said = String::new();
    for line in stdout.lines() {
        let line = line.context("reading the command's output")?;
        if line.contains("http://127.0.0.1:") {
            kill_process(pid, Signal::INT).context("interrupting the command")?;
        }
        said.push_str(&line);
        said.push('\n');
    }
    let output = child.wait_with_output().context("waiting for the command")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "it ended with {}:\n{said}{errors}", output.status);
    ensure!(said.contains("the power button was pressed"), "the guest did not say why:\n{said}");
    Ok(())
}

fn busy_port(image: &Image) -> Result<()> {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port().to_string();
    let (status, said) = outcome(image, &["--port", &port])?;
    ensure!(status == Some(2), "it ended with {status:?}:\n{said}");
    ensure!(said.contains(&port) && said.contains("in use"), "it says:\n{said}");
    Ok(())
}

fn poor(image: &Image, firmware: &str, memory: u32) -> Result<()> {
    let memory = memory.to_string();
    let (status, said) = outcome(image, &["--firmware", firmware, "--memory", &memory])?;
    ensure!(status == Some(1), "it ended with {status:?}:\n{said}");
    let Some(error) = said.lines().find(|line| line.starts_with("error: ")) else {
        bail!("it says no error:\n{said}");
    };
    let named = format!("the guest has {memory} MiB of memory, and this image needs");
    ensure!(error.contains(&named), "it does not name the memory: {error}");
    Ok(())
}

/// The exit status and the standard error of `appliance run`.
fn outcome(image: &Image, options: &[&str]) -> Result<(Option<i32>, String)> {
    let outcome = host::Command::new(std::env::current_exe()?)
        .arg("run")
        .arg(&image.out)
        .args(options)
        .env(AS_COMMAND, "1")
        .deadline(DEADLINE)
        .outcome()?;
    Ok((outcome.status.code(), String::from_utf8_lossy(&outcome.stderr).into_owned()))
}
