//! A machine that runs.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use host::{check_interrupt, failed, find_program, quote};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::param::clock_ticks_per_second;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::json;

use crate::QEMU;
use crate::console::{Console, Next};
use crate::machine::Machine;
use crate::network::Network;
use crate::qmp::{Qmp, STOPPED};
use crate::serving::Serving;

/// How often a wait looks at the user's word to stop.
const POLL: Duration = Duration::from_millis(20);
/// How long QEMU gets to end when told to.
const GRACE: Duration = Duration::from_secs(2);
/// How much of the console waits for us, in bytes: QEMU drops what finds no room. It is
/// the most that Linux gives without privilege (pipe(7), `pipe-max-size`).
const UNREAD: usize = 1 << 20;

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The guest switched it off.
    PoweredOff,
    /// The guest reset it: its kernel panicked or rebooted.
    Reset,
    /// QEMU ended it, for this reason.
    Stopped(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoweredOff => f.write_str("the guest switched it off"),
            Self::Reset => f.write_str("the guest reset it"),
            Self::Stopped(why) => f.write_str(why),
        }
    }
}

/// Why what was waited for did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The machine ended before.
    Died {
        /// What was waited for.
        what: String,
        /// How the machine ended.
        how: Ended,
    },
    /// The machine runs, but it did not come in time.
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        deadline: Duration,
    },
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died { what, how } => {
                write!(f, "the virtual machine ended before {what}: {how}")
            }
            Self::Late { what, deadline } => {
                write!(f, "{what} did not come within {} s", deadline.as_secs_f32())
            }
        }
    }
}

impl std::error::Error for WaitError {}

/// A running machine; dropped, it is ended at once. It also ends with us.
pub struct Guest {
    child: Child,
    qmp: Option<Qmp>,
    console: Console,
    /// Our end of the serial line.
    keyboard: PipeWriter,
    /// What QEMU itself says.
    errors: Option<JoinHandle<String>>,
    /// How far the console was looked at.
    seen: usize,
    ended: Option<Ended>,
    forwarded: Option<SocketAddr>,
    in_namespace: bool,
    command_line: String,
    started: Instant,
}

impl Guest {
    pub(crate) fn start(machine: &Machine, copy: impl Write + Send + 'static) -> Result<Self> {
        let (qmp, qemu_qmp) = UnixStream::pair().context("making a socket for QMP")?;
        let (stdin, keyboard) = pipe().context("making a pipe to the console")?;
        let (output, stdout) = pipe().context("making a pipe from the console")?;
        // Refused, the 64 KiB of any pipe have to do.
        let _ = fcntl_setpipe_size(&output, UNREAD);
        let mut command = command(machine, qemu_qmp, stdin, stdout)?;
        let console = Console::default();
        let follower = console.clone();
        let (sender, receiver) = mpsc::channel();
        // The signal of a parent's death comes when the *thread* that started the
        // child ends: this one stays until QEMU has ended.
        thread::spawn(move || {
            let spawned = command.spawn();
            // It holds QEMU's ends of the socket and the pipes.
            drop(command);
            if sender.send(spawned).is_ok() {
                follower.follow(output, copy);
            }
        });
        let mut child =
            receiver.recv().context("starting QEMU")?.with_context(|| starting(QEMU))?;
        let errors = child.stderr.take().map(|stream| thread::spawn(move || read_all(stream)));
        let mut guest = Self {
            child,
            qmp: None,
            console,
            keyboard,
            errors,
            seen: 0,
            ended: None,
            forwarded: None,
            in_namespace: matches!(machine.network, Network::Tap(_)),
            command_line: command_line(machine, None)?,
            started: Instant::now(),
        };
        match Qmp::connect(qmp) {
            Ok(qmp) => guest.qmp = Some(qmp),
            Err(error) => return Err(guest.not_started(error)),
        }
        guest.release(machine)?;
        Ok(guest)
    }

    /// Forwards the port and lets the processor run.
    fn release(&mut self, machine: &Machine) -> Result<()> {
        let qmp = self.qmp.as_mut().context("the machine has ended")?;
        if let Network::User(network) = &machine.network {
            self.forwarded = Some(network.forward(qmp)?);
            self.command_line = command_line(machine, self.forwarded)?;
        }
        qmp.execute("cont", json!({}))?;
        self.started = Instant::now();
        Ok(())
    }

    /// The error of a QEMU that gave no connection: mostly it says why itself.
    fn not_started(mut self, error: anyhow::Error) -> anyhow::Error {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        match said.trim() {
            "" => error.context(starting(QEMU)),
            said => {
                let problem = failed(format!("QEMU did not start: {said}"));
                let hint = remedy(said, self.in_namespace);
                hint.into_iter().fold(problem, host::Problem::hint).into()
            }
        }
    }

    /// The command line that starts the same machine by hand.
    pub fn command_line(&self) -> &str {
        &self.command_line
    }

    /// What the guest wrote on its console so far (the last MiB of it).
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// Where the guest's port is forwarded to.
    pub fn forwarded(&self) -> Option<SocketAddr> {
        self.forwarded
    }

    /// How long the machine has been running.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The processor time that QEMU has used, the guest's and its own.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn processor_time(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        processor_time(&text).with_context(|| format!("reading {path}"))
    }

    /// Waits for a line of the console in which `find` finds what is waited for;
    /// `what` names it. Each line is looked at once, also by later waits.
    ///
    /// # Errors
    /// [`WaitError`] when the machine ends or the deadline passes before;
    /// [`host::Interrupted`].
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            match self.console.next_line(&mut self.seen, POLL) {
                Next::Line(line) => {
                    if let Some(found) = find(&line) {
                        return Ok(found);
                    }
                }
                Next::End => {
                    let how = self.end()?;
                    return Err(WaitError::Died { what: what.into(), how }.into());
                }
                Next::Nothing => {}
            }
            check_interrupt()?;
            if start.elapsed() > deadline {
                return Err(WaitError::Late { what: what.into(), deadline }.into());
            }
        }
    }

    /// Waits until the guest says that its server serves.
    ///
    /// # Errors
    /// As [`Guest::wait_for`].
    pub fn wait_serving(&mut self, deadline: Duration) -> Result<Serving> {
        self.wait_for("the guest's word that it serves", deadline, Serving::parse)
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn power_button(&mut self) -> Result<()> {
        self.execute("system_powerdown", json!({}))
    }

    /// Ends the machine as a power cut does: what the guest has not yet written to its
    /// disk is lost.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn cut_power(mut self) -> Result<()> {
        self.child.kill().context("killing QEMU")?;
        self.end().map(drop)
    }

    /// Types on the serial line.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn type_in(&mut self, text: &str) -> Result<()> {
        self.keyboard.write_all(text.as_bytes()).context("writing on the serial line")
    }

    /// Reads so many bytes of its memory, at an address as its processor has it just now.
    ///
    /// # Errors
    /// When the machine has ended, or there is no memory at the address.
    pub fn read_memory(&mut self, address: u64, size: usize) -> Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().context("making a file")?;
        let name = file.path().to_string_lossy();
        // QEMU takes the upper half of the addresses as negative.
        let arguments = json!({"val": address.cast_signed(), "size": size, "filename": name});
        self.execute("memsave", arguments).with_context(|| format!("reading at {address:#x}"))?;
        let bytes = fs::read(file.path()).context("reading the guest's memory")?;
        anyhow::ensure!(bytes.len() == size, "{} of {size} bytes at {address:#x}", bytes.len());
        Ok(bytes)
    }

    fn execute(&mut self, command: &str, arguments: serde_json::Value) -> Result<()> {
        let qmp = self.qmp.as_mut().ok_or_else(|| anyhow!("the virtual machine has ended"))?;
        qmp.execute(command, arguments).map(|_| ())
    }

    /// Waits until the machine ends by itself.
    ///
    /// # Errors
    /// [`WaitError::Late`] when the deadline passes before; [`host::Interrupted`].
    pub fn wait_shutdown(&mut self, deadline: Duration) -> Result<Ended> {
        let start = Instant::now();
        while self.ended.is_none() && self.child.try_wait()?.is_none() {
            check_interrupt()?;
            if start.elapsed() > deadline {
                let what = "the end of the virtual machine".into();
                return Err(WaitError::Late { what, deadline }.into());
            }
            thread::sleep(POLL);
        }
        self.end()
    }

    /// How the machine ended; waits for what is left of it.
    fn end(&mut self) -> Result<Ended> {
        if let Some(ended) = &self.ended {
            return Ok(ended.clone());
        }
        let status = self.child.wait().context("waiting for QEMU")?;
        let cause = self.qmp.take().and_then(Qmp::shutdown_cause);
        let said = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        Ok(self.ended.insert(ended(cause.as_deref(), status, said.trim())).clone())
    }

    /// Runs `f` where the guest's own addresses can be reached. For a tap that is
    /// a thread in its network namespace; commands started there are in it too.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or `f` panics.
    pub fn in_its_network<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        if !self.in_namespace {
            return Ok(f());
        }
        let path = format!("/proc/{}/ns/net", self.child.id());
        let namespace = File::open(&path).with_context(|| format!("opening {path}"))?;
        let work = || -> Result<T> {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind)
                .with_context(|| format!("entering the network namespace {path}"))?;
            Ok(f())
        };
        thread::scope(|scope| scope.spawn(work).join())
            .map_err(|_| anyhow!("the work in the guest's network panicked"))?
    }

    /// How to see the same by hand, and what the guest said: for a message.
    pub fn evidence(&self) -> String {
        let console = self.console.text();
        let console = if console.is_empty() { "(nothing)" } else { console.trim_end() };
        format!("QEMU was started as\n{}\nthe console says\n{console}\n", self.command_line)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // QEMU ends before it answers, so an error says nothing.
        let _ = self.execute("quit", json!({}));
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL / 4);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command with QEMU's ends: no path, no length limit, nothing to clean up. The
/// console is a pipe each way, since a socket has room for some 270 characters only when
/// they come one by one.
fn command(
    machine: &Machine,
    qmp: UnixStream,
    stdin: PipeReader,
    stdout: PipeWriter,
) -> Result<std::process::Command> {
    let wrapper = match &machine.network {
        Network::Tap(tap) => tap.wrapper().into(),
        _ => Vec::new(),
    };
    let program = wrapper.first().map_or(QEMU, String::as_str);
    let path = find_program(program).ok_or_else(|| {
        failed(format!("the program `{program}` is not installed"))
            .hint("run `appliance doctor` to see what is missing and how to install it")
    })?;
    let mut command = std::process::Command::new(path);
    if !wrapper.is_empty() {
        command.args(&wrapper[1..]).arg(QEMU);
    }
    command.args(machine.arguments(None)?);
    let monitor = format!("socket,id=qmp,fd={}", qmp.as_raw_fd());
    command.args(["-chardev", &monitor, "-mon", "chardev=qmp,mode=control"]);
    command.args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
    // It waits until the monitor is there, or an early end would go unexplained.
    command.arg("-S");
    command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).process_group(0);
    command.env("LC_ALL", "C");
    // SAFETY: fcntl and prctl are async-signal-safe and touch nothing of the parent.
    unsafe {
        command.pre_exec(move || {
            // Of all that are open, this one is for QEMU.
            fcntl_setfd(&qmp, FdFlags::empty())?;
            Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
        });
    }
    Ok(command)
}

fn command_line(machine: &Machine, forwarded: Option<SocketAddr>) -> Result<String> {
    let mut words: Vec<OsString> = match &machine.network {
        Network::Tap(tap) => tap.wrapper().map(Into::into).into(),
        _ => Vec::new(),
    };
    words.push(QEMU.into());
    words.extend(machine.arguments(forwarded)?);
    words.extend(["-serial", "stdio"].map(Into::into));
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    Ok(words.join(" "))
}

/// The fields `utime` and `stime` of proc_pid_stat(5), in ticks; what comes before the
/// state can hold blanks.
fn processor_time(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let milliseconds = (ticks()? + ticks()?) * 1000 / clock_ticks_per_second();
    Some(Duration::from_millis(milliseconds))
}

fn ended(cause: Option<&str>, status: ExitStatus, said: &str) -> Ended {
    match cause {
        Some("guest-shutdown") => Ended::PoweredOff,
        Some("guest-reset" | "guest-panic") => Ended::Reset,
        Some(STOPPED) if said.is_empty() => Ended::Stopped(
            "QEMU could not go on; perhaps there is no room for what the guest writes".into(),
        ),
        Some(STOPPED) => Ended::Stopped(format!("QEMU could not go on and said: {said}")),
        Some(cause) => Ended::Stopped(format!("QEMU ended it ({cause})")),
        None if said.is_empty() => Ended::Stopped(format!("QEMU ended with {status}")),
        None => Ended::Stopped(format!("QEMU ended with {status} and said: {said}")),
    }
}

/// What may help when QEMU, or what makes its network, says this and ends.
fn remedy(said: &str, in_namespace: bool) -> Option<&'static str> {
    if said.contains("-plugin") {
        return Some(
            "this QEMU was built without plugins, by which instructions are counted; that of \
             Debian's package qemu-system-x86 has them",
        );
    }
    if said.contains("plugin requires API version") {
        return Some(
            "this QEMU loads plugins of other versions only; 7.2 is the one that was tried",
        );
    }
    let is_of_network = !said.starts_with(QEMU) || said.contains("/dev/net/tun");
    (in_namespace && is_of_network)
        .then_some("its network, a tap in a network namespace, takes root")
}

fn starting(program: &str) -> String {
    format!("starting `{program}`")
}

fn read_all(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error is still worth showing.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Accelerator, Start};

    #[test]
    fn a_remedy_is_for_what_was_said() {
        let of = |said: &str| remedy(said, true).unwrap_or_default();
        assert!(of("unshare: unshare failed: Operation not permitted").contains("takes root"));
        let tap = "qemu-system-x86_64: could not open /dev/net/tun: Operation not permitted";
        assert!(of(tap).contains("takes root"));
        assert!(of("qemu-system-x86_64: -plugin: invalid option").contains("without plugins"));
        let other = "qemu-system-x86_64: Could not load plugin x.so: plugin requires API version 1, \
                     but this QEMU supports only a minimum version of 2";
        assert!(of(other).contains("other versions"));
        assert_eq!(of("qemu-system-x86_64: cannot set up guest memory"), "");
        assert_eq!(remedy("unshare failed", false), None);
    }

    #[test]
    fn a_machine_that_qemu_stops_has_ended() {
        if find_program(QEMU).is_none() {
            eprintln!("QEMU is not installed: nothing is tested");
            return;
        }
        let accelerator = Accelerator::tcg("the test asks for it");
        let mut guest = Machine::new(Start::Bios, accelerator, 16).boot().unwrap();
        guest.execute("stop", json!({})).unwrap();
        let error = guest.wait_for("a word", GRACE * 5, |_| None::<()>).unwrap_err();
        assert!(error.to_string().contains("QEMU could not go on"), "{error:#}");
    }

    #[test]
    fn the_time_of_a_process_is_found_behind_its_name() {
        let stat = "7 (qemu (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 3 0 100 1 1";
        let ticks = clock_ticks_per_second();
        assert_eq!(processor_time(stat), Some(Duration::from_millis(200_000 / ticks)));
        assert_eq!(processor_time("7 (x) S 1"), None);
    }
}
