//! The server's life.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use init::config::{Config, LIST_MAX};
use init::restart::Pause;

use crate::console::say;
use crate::down;
use crate::hypervisor::{Hypervisor, LOOK};
use crate::sys::{self, Down, Ended, Pid};

/// How often a starting server is asked whether it serves, in milliseconds.
const READY_POLL: u64 = 5;
/// How long it may take to accept a connection, in milliseconds.
const ACCEPT: u64 = 100;
/// How long it may take before the console says so, in milliseconds.
const READY_LATE: u64 = 10_000;
/// How often it is asked from then on, in milliseconds.
const LATE_POLL: u64 = 1_000;
/// How long PID 1 sleeps when there is nothing to do, in milliseconds.
const IDLE: u64 = 3_600_000;

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
pub(crate) fn serve(config: &Config, mut hypervisor: Option<Hypervisor>) -> Down {
    let mut pause = Pause::default();
    let mut state = start(config, &mut pause);
    loop {
        let asked = hypervisor.as_mut().and_then(Hypervisor::look);
        if let Some(how) = asked {
            return how;
        }
        let patience = match state {
            State::Starting { late: false, .. } => READY_POLL,
            State::Starting { late: true, .. } => LATE_POLL,
            State::Running { .. } => IDLE,
            State::Paused { until } => until.saturating_sub(sys::uptime()),
        };
        let patience = if hypervisor.is_some() { patience.min(LOOK) } else { patience };
        match sys::wait_signal(patience) {
            None => {
                let was_running = matches!(state, State::Running { .. });
                state = advance(state, config, &mut pause);
                if let (false, State::Running { .. }, Some(it)) = (was_running, &state, &hypervisor)
                {
                    it.report(config);
                }
            }
            Some(sys::SIGCHLD) => state = reap(state, &mut pause),
            Some(signal) => {
                if let Some(how) = down::requested(signal) {
                    return how;
                }
            }
        }
    }
}

fn start(config: &Config, pause: &mut Pause) -> State {
    let mut command = [0; COMMAND_MAX];
    let mut argv = [core::ptr::null(); LIST_MAX + 1];
    let mut len = 0;
    for (place, word) in argv[..LIST_MAX].iter_mut().zip(config.server.iter()) {
        // The zero byte behind each word is there already.
        let Some(room) = command[..COMMAND_MAX - 1].get_mut(len..len + word.len()) else {
            down::fatal(format_args!("starting the server: its command line is too long"));
        };
        room.copy_from_slice(word.as_bytes());
        *place = room.as_ptr();
        len += word.len() + 1;
    }
    let since = sys::uptime();
    match sys::spawn(&argv, config.confine) {
        Ok(pid) => State::Starting { pid, since, late: false },
        Err(errno) => {
            let wait = pause.after(0);
            let program = config.server.iter().next().unwrap_or_default();
            say!("starting {program}: {errno}; again in {wait} ms");
            State::Paused { until: since + wait }
        }
    }
}

/// What comes next when no signal came.
fn advance(state: State, config: &Config, pause: &mut Pause) -> State {
    let now = sys::uptime();
    match state {
        State::Starting { pid, since, late } => {
            if accepts(config) {
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

/// Whether the server accepts connections by each family that it serves.
fn accepts(config: &Config) -> bool {
    let loopbacks: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    loopbacks.into_iter().all(|loopback| {
        let same_family = |ip: IpAddr| ip.is_ipv4() == loopback.is_ipv4();
        !config.addresses.iter().any(|address| same_family(address.ip))
            || sys::connect_to_self(loopback, config.port, ACCEPT).is_ok()
    })
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
            Ended::Status(status) => {
                say!("the server ended with status {status}; again in {wait} ms");
            }
            Ended::Signal(signal) => {
                let hint = match u8::try_from(signal) {
                    Ok(sys::SIGKILL) => " (too little memory?)",
                    Ok(sys::SIGSYS) => " (a system call that it may not make)",
                    _ => "",
                };
                say!("the server was ended by signal {signal}{hint}; again in {wait} ms");
            }
        }
        state = State::Paused { until: now + wait };
    }
    state
}
