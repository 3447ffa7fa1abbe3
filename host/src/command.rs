//! The one place that starts host commands.
//!
//! A command gets a fixed environment (so that the user's locale, time zone and
//! flags cannot reach an image), a process group of its own, a deadline, and a
//! log that holds everything it said. It dies with us.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};

use crate::{Interrupted, explain_io, failed, interrupted};

/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a stopped process group gets before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How many lines of a failed command's output go into the message.
const SHOWN_LINES: usize = 12;
/// The deadline of a command that sets none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(120);
/// Where system programs are, for users whose PATH leaves them out.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a command left behind.
pub struct Outcome {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output, and with [`Command::run`] its standard error too.
    pub stdout: Vec<u8>,
    /// Its standard error, when captured apart.
    pub stderr: Vec<u8>,
}

type LineListener<'a> = Box<dyn FnMut(&str) + 'a>;

/// A host command, built up and then run once.
pub struct Command<'a> {
    program: OsString,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    dir: Option<PathBuf>,
    log: Option<PathBuf>,
    input: Option<Vec<u8>>,
    deadline: Duration,
    on_line: Option<LineListener<'a>>,
}

/// Variables of the user that a command sees. Without the last two rustup could
/// install a toolchain in the middle of a build.
const KEPT: [&str; 6] =
    ["HOME", "TMPDIR", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_AUTO_INSTALL"];

impl<'a> Command<'a> {
    /// A command with the fixed environment: PATH, HOME, and what cargo and rustup
    /// are told of the user, locale C, time zone UTC.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut env = BTreeMap::new();
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                env.insert(name.into(), value);
            }
        }
        env.insert("PATH".into(), search_path());
        env.insert("LC_ALL".into(), "C".into());
        env.insert("TZ".into(), "UTC".into());
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env,
            dir: None,
            log: None,
            input: None,
            deadline: DEFAULT_DEADLINE,
            on_line: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the command's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Appends the command line and all output to this file.
    #[must_use]
    pub fn log(mut self, path: impl AsRef<Path>) -> Self {
        self.log = Some(path.as_ref().to_owned());
        self
    }

    /// Gives the command this standard input; without it, it has none.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Ends the command after this time (two minutes, if not set).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Calls `f` with each line of output as it comes.
    #[must_use]
    pub fn on_line(mut self, f: impl FnMut(&str) + 'a) -> Self {
        self.on_line = Some(Box::new(f));
        self
    }

    /// Runs the command with its output and errors in one stream.
    ///
    /// # Errors
    /// When it cannot be started, ends with another status than 0, meets its
    /// deadline, or the user interrupts.
    pub fn run(self) -> Result<Vec<u8>> {
        let line = self.line();
        let log = self.log.clone();
        let outcome = self.execute(true)?;
        check_status(&line, outcome.status, &outcome.stdout, log.as_deref())?;
        Ok(outcome.stdout)
    }

    /// Runs the command and gives its standard output alone.
    ///
    /// # Errors
    /// As [`Command::run`].
    pub fn output(self) -> Result<Vec<u8>> {
        let line = self.line();
        let log = self.log.clone();
        let outcome = self.execute(false)?;
        check_status(&line, outcome.status, &outcome.stderr, log.as_deref())?;
        Ok(outcome.stdout)
    }

    /// Runs the command and leaves the verdict on its status to the caller.
    ///
    /// # Errors
    /// When it cannot be started, meets its deadline, or the user interrupts.
    pub fn outcome(self) -> Result<Outcome> {
        self.execute(false)
    }

    /// The command line as a person would type it.
    fn line(&self) -> String {
        let mut line = quote(&self.program);
        for arg in &self.args {
            let _ = write!(line, " {}", quote(arg));
        }
        line
    }

    fn execute(mut self, merged: bool) -> Result<Outcome> {
        let line = self.line();
        let mut log = self.log.as_deref().map(|path| Log::open(path, &line)).transpose()?;
        let mut child = self.spawn()?;
        let result = self.supervise(&mut child, merged, log.as_mut(), &line);
        if result.is_err() {
            stop_group(&mut child);
        }
        result
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args).env_clear().envs(&self.env).process_group(0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        // SAFETY: prctl is async-signal-safe and touches nothing of the parent.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
        }
        command.spawn().map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                let name = self.program.to_string_lossy();
                return failed(format!("the program `{name}` is not installed"))
                    .hint("run `appliance doctor` to see what is missing and how to install it")
                    .into();
            }
            anyhow::Error::new(error).context(format!("starting `{}`", self.line()))
        })
    }

    fn supervise(
        &mut self,
        child: &mut Child,
        merged: bool,
        mut log: Option<&mut Log>,
        line: &str,
    ) -> Result<Outcome> {
        let (sender, lines) = mpsc::channel();
        for (is_stderr, stream) in streams(child) {
            let sender = sender.clone();
            thread::spawn(move || read_lines(stream, is_stderr, &sender));
        }
        drop(sender);
        if let (Some(input), Some(mut pipe)) = (self.input.take(), child.stdin.take()) {
            // A command that does not read to the end is judged by its status.
            thread::spawn(move || pipe.write_all(&input));
        }
        let start = Instant::now();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut open = true;
        loop {
            match lines.recv_timeout(POLL) {
                Ok((is_stderr, bytes)) => {
                    if let Some(log) = log.as_deref_mut() {
                        log.write(&bytes)?;
                    }
                    if let Some(on_line) = &mut self.on_line {
                        on_line(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
                    }
                    let sink = if is_stderr && !merged { &mut stderr } else { &mut stdout };
                    sink.extend_from_slice(&bytes);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => open = false,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if interrupted() {
                return Err(Interrupted.into());
            }
            if start.elapsed() > self.deadline {
                let seconds = self.deadline.as_secs();
                return Err(failed(format!("`{line}` did not end within {seconds} s")).into());
            }
            if !open {
                if let Some(status) = child.try_wait().context("waiting for a command")? {
                    return Ok(Outcome { status, stdout, stderr });
                }
                thread::sleep(POLL / 10);
            }
        }
    }
}

type Stream = Box<dyn Read + Send>;

fn streams(child: &mut Child) -> Vec<(bool, Stream)> {
    let stdout = child.stdout.take().map(|stream| (false, Box::new(stream) as Stream));
    let stderr = child.stderr.take().map(|stream| (true, Box::new(stream) as Stream));
    stdout.into_iter().chain(stderr).collect()
}

fn read_lines(stream: Stream, is_stderr: bool, sender: &mpsc::Sender<(bool, Vec<u8>)>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if sender.send((is_stderr, line)).is_err() => return,
            Ok(_) => {}
        }
    }
}

/// The file that holds everything a command said.
struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// Opens the log and puts the command line into it.
    fn open(path: &Path, line: &str) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| explain_io(error, parent))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("opening the log {}", path.display()))?;
        let mut log = Self { file, path: path.to_owned() };
        log.write(format!("$ {line}\n").as_bytes())?;
        Ok(log)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| explain_io(error, &self.path))
    }
}

fn check_status(line: &str, status: ExitStatus, said: &[u8], log: Option<&Path>) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n    ");
    let mut what = format!("`{line}` ended with {status}");
    if !last.is_empty() {
        let _ = write!(what, "; its last lines:\n    {last}");
    }
    if text.contains("No space left on device") {
        return Err(failed(what)
            .hint("the disk is full: free some space, for example with `appliance clean`, and run the same command again")
            .into());
    }
    let mut problem = failed(what);
    if let Some(log) = log {
        problem = problem.hint(format!("the full log is {}", log.display()));
    }
    Err(problem.into())
}

/// Ends a command and everything that it started.
fn stop_group(child: &mut Child) {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    // The group may be gone already; then there is nothing to do.
    let _ = kill_process_group(group, Signal::TERM);
    let start = Instant::now();
    while start.elapsed() < GRACE {
        if matches!(child.try_wait(), Ok(Some(_))) {
            break;
        }
        thread::sleep(POLL);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    path
}

/// Where a program is, by the search path that commands get.
pub fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// A word of a command line as a person would type it for a shell.
pub fn quote(arg: &OsStr) -> String {
    let text = arg.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
