//! The server's life.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use init::config::{Config, LIST_MAX};
use init::restart::Pause;

use crate::console::say;
use crate::sys::{self, Down, Ended, Pid};

/// How often a starting server is asked whether it accepts, in milliseconds.
const READY_POLL: u64 = 5;
/// How long it may take before the console says so, in milliseconds.
const READY_LATE: u64 = 10_000;
/// How long PID 1 sleeps when there is nothing to do, in milliseconds.
const IDLE: u64 = 3_600_000;
/// How long the server may finish its answers, in milliseconds; all in all the
/// machine is down within two seconds.
const FINISH: u64 = 1_000;

/// Room for the server's command line in bytes.
const COMMAND_MAX: usize = 1024;

/// What the server is doing.
enum State {
    /// It has not accepted a connection yet.
    Starting { pid: Pid, since: u64, late: bool },
    /// It accepts connections.
    Running { pid: Pid, since: u64 },
    /// It ended and starts again.
    Paused { until: u64 },
}

/// Keeps the server running until the machine is to go down.
pub(crate) fn serve(config: &Config) -> Down {
    let mut pause = Pause::default();
    let mut state = start(config, &mut pause);
    loop {
        let now = sys::uptime();
        let patience = match state {
            State::Starting { .. } => READY_POLL,
            State::Running { .. } => IDLE,
            State::Paused { until } => until.saturating_sub(now),
        };
        match sys::wait_signal(patience) {
            Some(sys::POWER_BUTTON) => return told("the power button was pressed", Down::PowerOff),
            Some(sys::SIGTERM) => return told("asked to power off", Down::PowerOff),
            Some(sys::SIGINT) => return told("asked to restart", Down::Restart),
            Some(_) => state = reap(state, &mut pause),
            None => state = advance(state, config, &mut pause),
        }
    }
}

fn told(why: &str, how: Down) -> Down {
    say!("{why}: shutting down");
    how
}

fn start(config: &Config, pause: &mut Pause) -> State {
    let mut command = [0; COMMAND_MAX];
    let mut argv = [core::ptr::null(); LIST_MAX + 1];
    let mut len = 0;
    for (place, word) in argv[..LIST_MAX].iter_mut().zip(config.server.iter()) {
        // The zero byte behind each word is there already.
        let Some(room) = command[..COMMAND_MAX - 1].get_mut(len..len + word.len()) else {
            crate::fatal(format_args!("starting the server: its command line is too long"));
        };
        room.copy_from_slice(word.as_bytes());
        *place = room.as_ptr();
        len += word.len() + 1;
    }
    let since = sys::uptime();
    match sys::spawn(&argv) {
        Ok(pid) => State::Starting { pid, since, late: false },
        Err(errno) => {
            say!("starting the server: {errno}");
            State::Paused { until: since + pause.after(0) }
        }
    }
}

/// What comes next when no signal came.
fn advance(state: State, config: &Config, pause: &mut Pause) -> State {
    let now = sys::uptime();
    match state {
        State::Starting { pid, since, late } => {
            if sys::connect_to_self(own_address(config), config.port).is_ok() {
                tell_addresses(config, now);
                return State::Running { pid, since };
            }
            let is_late = now >= since + READY_LATE;
            if is_late && !late {
                say!("the server does not accept connections on port {} yet", config.port);
            }
            State::Starting { pid, since, late: is_late }
        }
        State::Paused { until } if now >= until => start(config, pause),
        state => state,
    }
}

/// The loopback address of a family that the server listens on.
fn own_address(config: &Config) -> IpAddr {
    if config.addresses.iter().any(|address| address.ip.is_ipv4()) {
        Ipv4Addr::LOCALHOST.into()
    } else {
        Ipv6Addr::LOCALHOST.into()
    }
}

fn tell_addresses(config: &Config, now: u64) {
    for address in config.addresses.iter() {
        let port = config.port;
        match address.ip {
            IpAddr::V4(ip) => say!("serving http://{ip}:{port} after {now} ms"),
            IpAddr::V6(ip) => say!("serving http://[{ip}]:{port} after {now} ms"),
        }
    }
}

/// Takes note of every process that ended, the server among them or not.
fn reap(mut state: State, pause: &mut Pause) -> State {
    while let Some((ended, how)) = sys::reap() {
        let (pid, since) = match state {
            State::Starting { pid, since, .. } | State::Running { pid, since } => (pid, since),
            State::Paused { .. } => continue,
        };
        if ended != pid {
            continue;
        }
        let now = sys::uptime();
        let wait = pause.after(now.saturating_sub(since));
        match how {
            Ended::Status(status) if status > sys::EXEC_FAILED => {
                let errno = sys::Errno(status - sys::EXEC_FAILED);
                say!("starting the server: {errno}; again in {wait} ms");
            }
            Ended::Status(status) => {
                say!("the server ended with status {status}; again in {wait} ms");
            }
            Ended::Signal(signal) => {
                let hint =
                    if signal == i32::from(sys::SIGKILL) { " (too little memory?)" } else { "" };
                say!("the server was ended by signal {signal}{hint}; again in {wait} ms");
            }
        }
        state = State::Paused { until: now + wait };
    }
    state
}

/// Ends every process: the server may finish its answers first.
pub(crate) fn end_processes() {
    // SIGINT is lighttpd's word for a graceful end.
    sys::kill_all(sys::SIGINT);
    let end = sys::uptime() + FINISH;
    while sys::any_child() {
        let left = end.saturating_sub(sys::uptime());
        if left == 0 {
            sys::kill_all(sys::SIGKILL);
            break;
        }
        sys::wait_signal(left);
        while sys::reap().is_some() {}
    }
}
