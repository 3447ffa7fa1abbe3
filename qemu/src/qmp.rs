//! The QEMU Machine Protocol: JSON lines over a socket
//! (docs/interop/qmp-spec.rst of QEMU).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

/// How long QEMU gets for an answer; also for its start on a busy host.
const DEADLINE: Duration = Duration::from_secs(30);

/// The cause of an end that comes because QEMU could not go on with the machine
/// (`internal-error` and `io-error` of `RunState` in qapi/run-state.json).
pub(crate) const STOPPED: &str = "stopped";

/// A connection to a running QEMU.
pub(crate) struct Qmp {
    socket: UnixStream,
    answers: Receiver<Value>,
    /// Ends with QEMU; gives what [`Qmp::shutdown_cause`] does.
    reader: JoinHandle<Option<String>>,
}

impl Qmp {
    /// Takes up the connection and leaves its negotiation mode.
    ///
    /// # Errors
    /// When QEMU ends or does not answer.
    pub(crate) fn connect(socket: UnixStream) -> Result<Self> {
        let stream = socket.try_clone().context("cloning the QMP socket")?;
        let (sender, answers) = mpsc::channel();
        let reader = thread::spawn(move || read(stream, &sender));
        let mut qmp = Self { socket, answers, reader };
        qmp.answer().context("waiting for the greeting of QEMU")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and gives what it returns.
    ///
    /// # Errors
    /// When QEMU has ended, refuses the command or does not answer.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        send(&self.socket, command, arguments)
            .with_context(|| format!("sending `{command}` to QEMU"))?;
        let answer =
            self.answer().with_context(|| format!("waiting for QEMU's answer to `{command}`"))?;
        match answer.get("return") {
            Some(value) => Ok(value.clone()),
            None => bail!("QEMU refuses `{command}`: {}", answer["error"]["desc"]),
        }
    }

    fn answer(&self) -> Result<Value> {
        self.answers.recv_timeout(DEADLINE).map_err(|error| match error {
            RecvTimeoutError::Timeout => anyhow!("none came within {} s", DEADLINE.as_secs()),
            RecvTimeoutError::Disconnected => anyhow!("QEMU has ended"),
        })
    }

    /// Why QEMU ended, as its last SHUTDOWN event says (`ShutdownCause` in
    /// qapi/run-state.json), or [`STOPPED`]. Waits for the end of the connection.
    pub(crate) fn shutdown_cause(self) -> Option<String> {
        self.reader.join().ok().flatten()
    }
}

/// Sends a command by one write, so that those of two threads do not mix.
fn send(mut socket: &UnixStream, command: &str, arguments: Value) -> std::io::Result<()> {
    let line = format!("{}\n", json!({"execute": command, "arguments": arguments}));
    socket.write_all(line.as_bytes())
}

fn read(stream: UnixStream, answers: &Sender<Value>) -> Option<String> {
    let mut cause: Option<String> = None;
    for line in BufReader::new(&stream).lines() {
        let Ok(line) = line else { break };
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        match message.get("event").and_then(Value::as_str) {
            // When nobody asks any more, events still matter.
            None => drop(answers.send(message)),
            Some("SHUTDOWN") if cause.as_deref() != Some(STOPPED) => {
                cause = message["data"]["reason"].as_str().map(str::to_owned);
            }
            // Nobody here stops a machine: QEMU has, and waits for somebody to look at it.
            Some("STOP") if cause.is_none() => {
                cause = Some(STOPPED.to_owned());
                let _ = send(&stream, "quit", json!({}));
            }
            Some(_) => {}
        }
    }
    cause
}
