//! What a guest executed, counted by the plugin of `plugin/`.
//!
//! [`Counter::attach`] gives a machine the plugin before it boots. Counting goes on
//! all the time; [`Counter::start`] and [`Counter::stop`] say between which moments
//! the counts lie that [`Counter::read`] gives. The plugin connects to a socket of
//! ours, on which one word a line asks and one line answers.

mod data;

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use host::{check_interrupt, failed};
use qemu::{Engine, Machine, Plugin};
use tempfile::TempDir;

pub use data::{CallCounts, Counts, Moment, Site, Window};

/// How long the plugin may take to connect and to answer, on a busy host.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often a connection is looked for.
const POLL: Duration = Duration::from_millis(10);
/// How long a guest that is at rest does nothing: several times as long as its
/// network interface keeps a packet (`qemu::Machine`, `clock`), since an answer to that
/// makes it work again.
const REST: Duration = Duration::from_millis(4);
/// How often that is looked at.
const REST_POLL: Duration = Duration::from_micros(500);
/// What the plugin needs on the kernel's command line: addresses as linked, and the
/// same ones in every run.
pub const COMMAND_LINE: &str = " nokaslr norandmaps";

/// The way to the plugin of one machine.
#[derive(Debug)]
pub struct Counter {
    /// Holds the socket.
    _dir: TempDir,
    listener: UnixListener,
    stream: Option<BufReader<UnixStream>>,
}

impl Counter {
    /// Gives a machine, which has not been booted yet, the plugin.
    ///
    /// # Errors
    /// When the machine is not emulated, or the plugin or the symbols are missing.
    pub fn attach(machine: &mut Machine, plugin: &Path, symbols: &Path) -> Result<Self> {
        if machine.accelerator.engine != Engine::Tcg {
            return Err(failed("instructions can be counted under emulation only").into());
        }
        for path in [plugin, symbols] {
            fs::metadata(path).with_context(|| format!("looking for {}", path.display()))?;
        }
        let dir = directory().context("making a directory for a socket")?;
        let socket = dir.path().join("counts");
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("listening at {}", socket.display()))?;
        listener.set_nonblocking(true).context("setting up a socket")?;
        let argument =
            |name: &str, path: &Path| (name.to_owned(), path.to_string_lossy().into_owned());
        machine.plugin = Some(Plugin {
            file: plugin.to_owned(),
            arguments: vec![argument("symbols", symbols), argument("socket", &socket)],
        });
        Ok(Self { _dir: dir, listener, stream: None })
    }

    /// Begins counting at zero.
    ///
    /// # Errors
    /// When QEMU has ended or does not answer.
    pub fn start(&mut self) -> Result<()> {
        self.order("start")
    }

    /// Ends counting; what was counted can be read from then on.
    ///
    /// # Errors
    /// As [`Counter::start`].
    pub fn stop(&mut self) -> Result<()> {
        self.order("stop")
    }

    /// The instructions since the start of QEMU.
    ///
    /// # Errors
    /// As [`Counter::start`].
    pub fn total(&mut self) -> Result<u64> {
        let answer = self.ask("count")?;
        answer.parse().with_context(|| format!("reading the plugin's answer `{answer}`"))
    }

    /// Whether a moment of the start has come, by its name in [`Counts::phases`].
    ///
    /// # Errors
    /// As [`Counter::read`].
    pub fn has_come(&mut self, moment: &str) -> Result<bool> {
        let answer = self.ask("phases")?;
        let (fits, names) = answer.split_once(' ').unwrap_or((&answer, ""));
        data::check(fits == "true")?;
        Ok(names.split(',').any(|name| name == moment))
    }

    /// What was counted.
    ///
    /// # Errors
    /// As [`Counter::start`]; also when the symbols are not those of the kernel.
    pub fn read(&mut self) -> Result<Counts> {
        self.counts("read")
    }

    fn counts(&mut self, word: &str) -> Result<Counts> {
        let answer = self.ask(word)?;
        let counts: Counts = serde_json::from_str(&answer).context("reading the counts")?;
        data::check(counts.symbols_fit)?;
        Ok(counts)
    }

    /// Ends a lap, and begins the next one; the first begins with [`Counter::start`].
    ///
    /// # Errors
    /// As [`Counter::start`].
    pub fn lap(&mut self) -> Result<()> {
        self.order("lap")
    }

    /// What was counted in the cheaper half of the laps without the cheapest fifth of
    /// that, in which something is missing: what comes around seldom makes a lap dear,
    /// and so does a host that is late. The sum, of [`Counts::laps`].
    ///
    /// # Errors
    /// As [`Counter::read`].
    pub fn usual_laps(&mut self) -> Result<Counts> {
        self.counts("laps")
    }

    /// Waits until the guest has done all that it was asked for: until its idle task
    /// has run for a while and nothing else but the timer.
    ///
    /// # Errors
    /// When QEMU has ended, the guest does not come to rest, or the user interrupts.
    pub fn rest(&mut self) -> Result<()> {
        let start = Instant::now();
        let (mut last, mut since) = (0, start);
        loop {
            let (work, is_idle) = self.work_and_state()?;
            if work != last || !is_idle {
                (last, since) = (work, Instant::now());
            } else if since.elapsed() >= REST {
                return Ok(());
            }
            check_interrupt()?;
            if start.elapsed() > DEADLINE {
                return Err(failed("the guest does not come to rest").into());
            }
            thread::sleep(REST_POLL);
        }
    }

    /// The instructions since the start of QEMU without those of the idle task and of the
    /// timer.
    ///
    /// # Errors
    /// As [`Counter::start`].
    pub fn work(&mut self) -> Result<u64> {
        Ok(self.work_and_state()?.0)
    }

    fn work_and_state(&mut self) -> Result<(u64, bool)> {
        let answer = self.ask("work")?;
        let (work, state) = answer.split_once(' ').unwrap_or((&answer, ""));
        let work =
            work.parse().with_context(|| format!("reading the plugin's answer `{answer}`"))?;
        Ok((work, state == "idle"))
    }

    fn order(&mut self, word: &str) -> Result<()> {
        match self.ask(word)?.as_str() {
            "ok" => Ok(()),
            answer => bail!("the plugin answers `{answer}` to `{word}`"),
        }
    }

    fn ask(&mut self, word: &str) -> Result<String> {
        let asking = || format!("asking the plugin to `{word}`");
        if self.stream.is_none() {
            self.stream = Some(self.accept().with_context(asking)?);
        }
        let stream = self.stream.as_mut().context("no connection")?;
        exchange(stream, word).with_context(asking)
    }

    fn accept(&self) -> Result<BufReader<UnixStream>> {
        let start = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).context("setting up a socket")?;
                    stream.set_read_timeout(Some(DEADLINE)).context("setting up a socket")?;
                    return Ok(BufReader::new(stream));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("accepting a connection"),
            }
            check_interrupt()?;
            if start.elapsed() > DEADLINE {
                return Err(failed("the plugin did not connect to us")
                    .hint("QEMU may be built without plugins: `qemu-system-x86_64 -plugin help`")
                    .into());
            }
            thread::sleep(POLL);
        }
    }
}

/// A directory for a socket, whose path may have 107 bytes (unix(7)).
fn directory() -> io::Result<TempDir> {
    let usual = env::temp_dir();
    if usual.as_os_str().len() < 80 {
        tempfile::tempdir_in(usual)
    } else {
        tempfile::tempdir_in("/tmp")
    }
}

fn exchange(stream: &mut BufReader<UnixStream>, word: &str) -> Result<String> {
    let mut answer = String::new();
    let read = writeln!(stream.get_mut(), "{word}").and_then(|()| stream.read_line(&mut answer));
    match read {
        Ok(0) => Err(failed("QEMU has ended").into()),
        Ok(_) => Ok(answer.trim_end().to_owned()),
        Err(error)
            if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) =>
        {
            Err(failed("QEMU has ended").into())
        }
        Err(error) => Err(error.into()),
    }
}
