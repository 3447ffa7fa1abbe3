//! What the thesis printed, with the place where it stands.
//!
//! Robert Neue, "Anwendungsspezifische Maßschneiderung des Linux-Kerns für virtuelle
//! Maschinen", diploma thesis, TU Dortmund, 2010. Linux 2.6.28.10 and lighttpd
//! 1.4.19, mostly on VMware Server 2.0.1. Its totals are processor cycles of nine
//! system calls under a ramp of twenty minutes: the mean of the 30 smallest counts
//! of each call, times the number of calls (section 5.2.3).

/// The nine system calls that it counted (section 5.2.1).
pub const CALLS: [&str; 9] =
    ["close", "fcntl", "ioctl", "read", "setsockopt", "shutdown", "stat", "write", "writev"];

/// A change of the total that it printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The step, as [`crate::data::Stage::name`].
    pub step: &'static str,
    /// Per cent; negative is less.
    pub percent: f64,
    /// Where it stands.
    pub source: &'static str,
}

/// The changes of the total, step by step.
pub const CHANGES: [Change; 8] = [
    Change { step: "packages", percent: -0.04, source: "figure 5.2, p. 68" },
    Change { step: "configuration", percent: -11.0, source: "figure 5.3, p. 70" },
    Change { step: "lsm", percent: -10.0, source: "figure 5.8, p. 75; chapter 6" },
    Change { step: "dac", percent: -10.5, source: "figure 5.8, p. 75; chapter 6" },
    Change { step: "checks", percent: -10.7, source: "figure 5.8, p. 75; chapter 6" },
    Change { step: "vfs", percent: -15.4, source: "figure 5.8, p. 75 (VFS); chapter 6" },
    Change { step: "tailoring", percent: -14.3, source: "figure 5.7, p. 75; 15.8 in chapter 6" },
    // 2.5410e11 cycles before and 1.2986e11 after, which it calls 95.7 % faster.
    Change { step: "everything", percent: -48.9, source: "figure 5.9, p. 77" },
];

/// The change of a step; nothing for an option that does a part of what one did.
pub fn change(step: &str) -> Option<&'static Change> {
    CHANGES.iter().find(|change| change.step == step)
}

/// A figure before and after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The step, as [`crate::data::Stage::name`].
    pub step: &'static str,
    /// What was counted, as in [`crate::data::Cost::figures`].
    pub figure: &'static str,
    /// Before the step.
    pub before: f64,
    /// After it.
    pub after: f64,
    /// Where it stands.
    pub source: &'static str,
}

const TABLE_5_2: &str = "table 5.2, p. 69";

/// The figures that it printed in pairs.
pub const PAIRS: [Pair; 5] = [
    pair("modules", 2059.0, 50.0, TABLE_5_2),
    pair("modules_loaded", 45.0, 0.0, TABLE_5_2),
    pair("image_bytes", 277_473_486.0, 30_011_208.0, TABLE_5_2),
    pair("configuration_bytes", 96_231.0, 46_550.0, TABLE_5_2),
    // 264 and 33 megabytes in its text.
    pair("package_bytes", 264e6, 33e6, "section 5.2.2.2"),
];

/// A pair of the step that minimised the kernel's configuration.
const fn pair(figure: &'static str, before: f64, after: f64, source: &'static str) -> Pair {
    Pair { step: "configuration", figure, before, after, source }
}

/// A figure's pair of a step.
pub fn figures(step: &str, figure: &str) -> Option<&'static Pair> {
    PAIRS.iter().find(|pair| pair.step == step && pair.figure == figure)
}

/// What it says of superfluous packages.
pub const PACKAGES: &str = "The thesis saved 0.04 % or 8.35 · 10⁷ cycles of the nine calls \
    (figure 5.2, p. 68).";

/// What it says of the configuration, beside its table.
pub const CONFIGURATION: &str = "The thesis compiled its kernel in 6 minutes instead of the 87 of \
    Debian's (section 5.2.2.2). That is not measured here: Debian's kernel with all of its modules \
    would have to be compiled from nothing, and the appliance's without the compile cache, and the \
    times would be this host's. The bytes of a package are those of Debian's as it is fetched, and \
    on the appliance's side those of its kernel, a compressed file that needs no package; the \
    bytes of an image are those of the package once installed, and of the same file.";

/// What it says of tailoring the source.
pub const TAILORING: &str = "The thesis: each of its four tailorings alone saved 10.0 to 15.4 % \
    of the cycles, all together 14.3 % (figures 5.7 and 5.8, p. 75; 15.8 % in chapter 6), since \
    most of the gain is interruptions that a shorter call is spared; with all that came before \
    them 2.5410 · 10¹¹ cycles became 1.2986 · 10¹¹, which it calls 95.7 % faster (figure 5.9, \
    p. 77).";

/// What it says of the compiler's flags.
pub const FLAGS: &str = "The thesis: -O2 with -finline-functions -funroll-loops -march=native \
    -mtune=native had no effect at best and doubled the fewest cycles of a call at worst \
    (figure 5.4, p. 72).";

/// What it and a later work say of Kernel Mode Linux.
pub const KML: &str = "The thesis ran it on a host only: the hypervisors of its day gave a guest no \
    ring 0. Lupine (EuroSys 2020) measured it under KVM: a null call 40 % faster, applications by \
    4 % at most. What it saves is the change of the ring, which has no instructions of its own and \
    which emulation does not model: under emulation a call costs a few instructions more or less for \
    the other way in and out, and what it gains in time is what the emulator itself does for \
    SYSCALL and SYSRET beyond a jump. On a machine with KVM the same rows of time show what there is \
    to gain.";

/// What it says of the ramp.
pub const RAMP: &str = "The thesis: before tailoring, replies broke down at 500 to 600 requests \
    per second (figure 3.5, p. 48); with the deadline scheduler and everything else, no client \
    timed out up to 2,000 connections per second (figure 5.12, p. 81). A client gives up after \
    4 s.";

/// What it says of the I/O schedulers.
pub const SCHEDULERS: &str = "The thesis: with CFQ waiting times shot up from 1,100 requests per \
    second on and clients timed out (figure 5.5, p. 73); with deadline they grew with the load, \
    and none timed out up to 2,000 (figure 5.6, p. 74). Deadline is mq-deadline today, CFQ's heir \
    is BFQ.";

/// What it says of the platform.
pub const PLATFORM: &str = "The thesis compiled a kernel in each: VMware took 47.0 % longer than \
    the host, 24.6 % with paravirtual drivers, which is 466 s instead of 563; KVM 42 % (section \
    5.2.4, p. 78; figure 5.10, p. 79). An appliance has no compiler, so that its requests are \
    counted here.";

/// What its histogram shows.
pub const HISTOGRAM: &str = "The thesis shows the same for writev (figure 5.1, p. 67): most calls \
    near the fewest cycles, a few far above, where an interrupt came in between.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_tailoring_is_beside_one_of_the_thesis() {
        assert!(change("vfs").is_some());
        assert!(["path", "read", "socket"].iter().all(|part| change(part).is_none()));
    }

    #[test]
    fn the_whole_is_what_its_totals_say() {
        let everything = change("everything").unwrap().percent;
        assert!((everything - 100.0 * (1.2986 / 2.5410 - 1.0)).abs() < 0.05);
        assert!((2.5410_f64 / 1.2986 - 1.957).abs() < 0.001);
    }
}
