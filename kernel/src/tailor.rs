//! The tailorings of `[kernel.tailor]`, and what each of them is: a fragment, or
//! options of the menu "Appliance tailoring" with the patches that add them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::request::{Origin, Requested, Value};

/// What can be left out of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Security modules, audit, and users; by configuration alone.
    Lsm,
    /// Access control by mode bits.
    Dac,
    /// Checks that the environment of an appliance decides.
    Checks,
    /// The way through the virtual file system, where it leads to a known place.
    Vfs,
    /// What the network does that a server of pages has no use for.
    Net,
    /// What the kernel does around calls, waits and timers for machines with more
    /// processors, more programs, or somebody who measures them.
    Core,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 6] =
        [Self::Lsm, Self::Dac, Self::Checks, Self::Vfs, Self::Net, Self::Core];

    /// Its key in `[kernel.tailor]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Dac => "dac",
            Self::Checks => "checks",
            Self::Vfs => "vfs",
            Self::Net => "net",
            Self::Core => "core",
        }
    }

    /// The measure without which it makes no sense, and why.
    pub fn needs(self) -> Option<(Self, &'static str)> {
        match self {
            Self::Dac => {
                Some((Self::Lsm, "mode bits are meaningless only in a kernel without users"))
            }
            Self::Vfs => {
                Some((Self::Dac, "a path that is remembered is not asked for permission again"))
            }
            Self::Lsm | Self::Checks | Self::Net | Self::Core => None,
        }
    }

    /// Whether it is that measure, or makes no sense without it.
    fn rests_on(self, other: Self) -> bool {
        self == other || self.needs().is_some_and(|(needed, _)| needed.rests_on(other))
    }

    /// Its options of the menu; none where configuration alone does it.
    pub fn options(self) -> impl Iterator<Item = &'static MenuOption> {
        OPTIONS.iter().filter(move |option| option.measure == self)
    }

    /// What an image gives up by it beyond the others, as part of a list; nothing
    /// where it only leaves out work that has no effect.
    pub fn gives_up(self) -> Option<&'static str> {
        match self {
            Self::Lsm => Some("users and security modules inside the guest"),
            Self::Dac => Some("access control by mode bits"),
            Self::Checks => Some("the limit on the size of files"),
            Self::Vfs => Some("file notification"),
            Self::Net => Some(
                "merging of received packets, early acknowledgement of uploads, the delivery \
                 rate in TCP_INFO, an MTU above 1500 on virtio",
            ),
            Self::Core => {
                Some("exact idle times, exact waits of half a second or more (an eighth longer)")
            }
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which measures a kernel takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tailor {
    /// [`Measure::Lsm`]
    pub lsm: bool,
    /// [`Measure::Dac`]
    pub dac: bool,
    /// [`Measure::Checks`]
    pub checks: bool,
    /// [`Measure::Vfs`]
    pub vfs: bool,
    /// [`Measure::Net`]
    pub net: bool,
    /// [`Measure::Core`]; not told of a kernel that was made before there was this one.
    #[serde(default)]
    pub core: bool,
}

impl Tailor {
    /// By configuration alone: no patch is applied.
    pub const CONFIGURATION: Self =
        Self { lsm: true, dac: false, checks: false, vfs: false, net: false, core: false };

    /// Every measure.
    pub const ALL: Self =
        Self { lsm: true, dac: true, checks: true, vfs: true, net: true, core: true };

    /// Whether a measure is taken.
    pub fn has(self, measure: Measure) -> bool {
        match measure {
            Measure::Lsm => self.lsm,
            Measure::Dac => self.dac,
            Measure::Checks => self.checks,
            Measure::Vfs => self.vfs,
            Measure::Net => self.net,
            Measure::Core => self.core,
        }
    }

    /// The same with a measure taken or not.
    #[must_use]
    pub fn set(mut self, measure: Measure, taken: bool) -> Self {
        match measure {
            Measure::Lsm => self.lsm = taken,
            Measure::Dac => self.dac = taken,
            Measure::Checks => self.checks = taken,
            Measure::Vfs => self.vfs = taken,
            Measure::Net => self.net = taken,
            Measure::Core => self.core = taken,
        }
        self
    }

    /// The measures that are taken.
    pub fn measures(self) -> impl Iterator<Item = Measure> {
        Measure::ALL.into_iter().filter(move |measure| self.has(*measure))
    }

    /// What `[kernel.tailor]` has to say for a kernel without a measure: that it is off,
    /// and with it those that are taken and need it.
    pub fn without(self, measure: Measure) -> String {
        let off = self.measures().filter(|it| it.rests_on(measure));
        off.map(|it| format!("`{it} = false`")).collect::<Vec<_>>().join(" and ")
    }

    /// The options of the menu that are on.
    pub fn options(self) -> impl Iterator<Item = &'static MenuOption> {
        OPTIONS.iter().filter(move |option| self.has(option.measure))
    }

    /// A value for every option of the menu: those that are off are requested, too, so
    /// that nobody switches on by hand what was not patched in.
    pub(crate) fn requests(self) -> impl Iterator<Item = Requested> {
        OPTIONS.iter().map(move |option| Requested {
            symbol: option.symbol.to_owned(),
            value: Value::Switch(self.has(option.measure)),
            why: option.why.to_owned(),
            origin: Origin::Tailor(option.measure),
        })
    }
}

/// An option of the menu "Appliance tailoring".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MenuOption {
    /// Its name without `CONFIG_`.
    pub symbol: &'static str,
    /// The measure that it belongs to.
    pub measure: Measure,
    /// The patch that adds it; without the measure only that part of it is applied
    /// which touches none of the kernel's own files ([`crate::Patches`]).
    pub patch: &'static str,
    /// What it does.
    pub why: &'static str,
    /// What it cannot be together with, as its `depends on` says.
    pub excludes: &'static [&'static str],
    /// Options of the menu that it depends on.
    pub needs: &'static [&'static str],
}

impl MenuOption {
    /// What it cannot be together with of what another option turns on: that option, or
    /// one that comes with it.
    pub fn clash(&self, other: &str) -> Option<&'static str> {
        self.excludes.iter().copied().find(|excluded| turns_on(other, excluded))
    }

    /// Whether it is the other, or needs it: whether the other is on where only this is
    /// wanted.
    pub fn is_with(&self, other: &Self) -> bool {
        self.symbol == other.symbol || self.needs.contains(&other.symbol)
    }
}

/// Whether an option is this one, or turns it on.
fn turns_on(option: &str, other: &str) -> bool {
    let mut found = TURNED_ON_BY.iter().filter(|(it, _)| *it == other).flat_map(|(_, by)| *by);
    option == other || found.any(|by| turns_on(option, by))
}

/// What is excluded and comes with other options, most of it only so, and with which.
const TURNED_ON_BY: &[(&str, &[&str])] = &[
    ("PREEMPTION", &["PREEMPT", "PREEMPT_DYNAMIC", "PREEMPT_RT"]),
    ("FSNOTIFY", &["DNOTIFY", "INOTIFY_USER", "FANOTIFY", "AUDIT"]),
    ("XFRM", &["XFRM_USER", "NET_KEY", "INET_AH", "INET_ESP", "INET_IPCOMP", "NET_IPVTI"]),
    ("XFRM", &["INET6_AH", "INET6_ESP", "INET6_IPCOMP", "IPV6_VTI", "IPV6_MIP6"]),
    ("XFRM", &["IXGBE_IPSEC", "IXGBEVF_IPSEC"]),
    ("NET_EGRESS", &["NET_XGRESS", "NETFILTER_EGRESS"]),
    ("NET_INGRESS", &["NET_XGRESS", "NETFILTER_INGRESS"]),
    ("NET_XGRESS", &["NET_CLS_ACT", "NET_SCH_INGRESS", "BPF_SYSCALL", "AF_KCM"]),
    ("LWTUNNEL", &["IPV6_ILA", "IPV6_SEG6_LWTUNNEL", "IPV6_RPL_LWTUNNEL", "IPV6_IOAM6_LWTUNNEL"]),
    ("SOCK_VALIDATE_XMIT", &["TLS_DEVICE"]),
    ("SKB_EXTENSIONS", &["XFRM", "MPTCP", "BRIDGE_NETFILTER", "NET_TC_SKB_EXT", "MCTP_FLOWS"]),
    ("MCTP_FLOWS", &["MCTP_TRANSPORT_I2C", "MCTP_TEST"]),
    ("COMPAT", &["IA32_EMULATION", "X86_X32_ABI"]),
    ("CONTEXT_TRACKING_USER", &["VIRT_CPU_ACCOUNTING_GEN", "NO_HZ_FULL"]),
    ("TRACE_IRQFLAGS", &["PROVE_LOCKING", "IRQSOFF_TRACER"]),
    ("LOCKDEP", &["PROVE_LOCKING", "LOCK_STAT", "DEBUG_LOCK_ALLOC", "DEBUG_WW_MUTEX_SLOWPATH"]),
    ("PROVE_LOCKING", &["DEBUG_NET_SMALL_RTNL"]),
    ("UPROBES", &["UPROBE_EVENTS"]),
];

/// The whole menu, in the order of the patches.
pub const OPTIONS: &[MenuOption] = &[
    MenuOption {
        symbol: "TAILOR_DAC",
        measure: Measure::Dac,
        patch: "0002-tailor-dac.patch",
        why: "mode bits refuse the only user nothing, so they are not looked at",
        excludes: &["MULTIUSER"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_CHECKS",
        measure: Measure::Checks,
        patch: "0003-tailor-checks.patch",
        why: "the environment of an appliance decides what these checks test",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_PATH",
        measure: Measure::Vfs,
        patch: "0004-tailor-path.patch",
        why: "a path that was looked up before is found in one step",
        excludes: &["SMP", "PREEMPTION"],
        needs: &["TAILOR_DAC"],
    },
    MenuOption {
        symbol: "TAILOR_READ",
        measure: Measure::Vfs,
        patch: "0005-tailor-read.patch",
        why: "what is in the page cache is copied at once",
        excludes: &["SMP", "PREEMPTION", "SECURITY", "FSNOTIFY"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_SOCKET",
        measure: Measure::Vfs,
        patch: "0006-tailor-socket.patch",
        why: "a socket is read and written without what only files need",
        excludes: &["SECURITY", "FSNOTIFY"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_ACCEPT",
        measure: Measure::Net,
        patch: "0007-tailor-accept.patch",
        why: "the last attempt to accept finds nothing, and needs no socket for that",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_GRO",
        measure: Measure::Net,
        patch: "0008-tailor-gro.patch",
        why: "requests and acknowledgements have nothing that could be merged",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_ACK",
        measure: Measure::Net,
        patch: "0009-tailor-ack.patch",
        why: "the answer to a request acknowledges it",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_RECEIVE",
        measure: Measure::Net,
        patch: "0010-tailor-receive.patch",
        why: "a small packet is received into a buffer of its own and not copied",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_ROUTE",
        measure: Measure::Net,
        patch: "0011-tailor-route.patch",
        why: "packets go to the same address, and answers where they came from",
        excludes: &["SMP", "PREEMPTION"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_OUTPUT",
        measure: Measure::Net,
        patch: "0012-tailor-output.patch",
        why: "between a connection and its device nothing else is done with a packet",
        excludes: &[
            "SMP",
            "PREEMPTION",
            "NETFILTER",
            "XFRM",
            "NET_EGRESS",
            "NET_L3_MASTER_DEV",
            "LWTUNNEL",
            "CGROUP_BPF",
            "SOCK_VALIDATE_XMIT",
        ],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_INPUT",
        measure: Measure::Net,
        patch: "0013-tailor-input.patch",
        why: "nobody but TCP wants what is received",
        excludes: &["NETFILTER", "XFRM", "NET_INGRESS", "NET_L3_MASTER_DEV"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_RATE",
        measure: Measure::Net,
        patch: "0014-tailor-rate.patch",
        why: "CUBIC has no use for the rate of delivery",
        excludes: &["TCP_CONG_BBR"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_TIMER",
        measure: Measure::Net,
        patch: "0015-tailor-timer.patch",
        why: "a timer that comes early sets itself for the rest",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_LOCK",
        measure: Measure::Net,
        patch: "0016-tailor-lock.patch",
        why: "one processor has nobody who takes a socket at the same time",
        excludes: &["SMP", "PREEMPTION"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_TIMEOUT",
        measure: Measure::Core,
        patch: "0017-tailor-timeout.patch",
        why: "a wait for events hardly ever lasts as long as it may",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_RCU",
        measure: Measure::Core,
        patch: "0018-tailor-rcu.patch",
        why: "a thread that frees two objects costs more than they do",
        excludes: &["SMP", "PREEMPTION"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_IDLE",
        measure: Measure::Core,
        patch: "0019-tailor-idle.patch",
        why: "between two packets there is no use in stopping the tick",
        excludes: &["HZ_PERIODIC", "NO_HZ_FULL", "SMP", "CPU_IDLE", "CPU_FREQ"],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_SCHED",
        measure: Measure::Core,
        patch: "0020-tailor-sched.patch",
        why: "there are no real-time tasks to keep time from",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_ENTRY",
        measure: Measure::Core,
        patch: "0021-tailor-entry.patch",
        why: "registers are saved and restored as far as a call needs it",
        excludes: &[
            "CPU_MITIGATIONS",
            "COMPAT",
            "X86_FRED",
            "XEN_PV",
            "CONTEXT_TRACKING_USER",
            "TRACE_IRQFLAGS",
            "DEBUG_ENTRY",
            "UPROBES",
            "RANDOMIZE_KSTACK_OFFSET",
            "GCC_PLUGIN_STACKLEAK",
            "AMD_MEM_ENCRYPT",
            "DEBUG_RSEQ",
            "X86_DEBUG_FPU",
            "LOCKDEP",
            "KMSAN",
        ],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_SEGMENT",
        measure: Measure::Net,
        patch: "0022-tailor-segment.patch",
        why: "nearly every segment of a server has the same header",
        excludes: &[
            "SMP",
            "TCP_MD5SIG",
            "TCP_AO",
            "MPTCP",
            "SMC",
            "CGROUP_BPF",
            "NETFILTER",
            "SKB_EXTENSIONS",
            "KMSAN",
        ],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_PUSH",
        measure: Measure::Net,
        patch: "0023-tailor-push.patch",
        why: "a single segment needs no loop over the queue",
        excludes: &[],
        needs: &[],
    },
    MenuOption {
        symbol: "TAILOR_WRITE",
        measure: Measure::Vfs,
        patch: "0024-tailor-write.patch",
        why: "a file that nobody else has is written without a lock of its position",
        excludes: &[],
        needs: &["TAILOR_READ"],
    },
    MenuOption {
        symbol: "TAILOR_SENDFILE",
        measure: Measure::Vfs,
        patch: "0025-tailor-sendfile.patch",
        why: "pages go from the page cache to a socket without a pipe in between",
        excludes: &[],
        needs: &["TAILOR_READ", "TAILOR_SOCKET"],
    },
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What holds on every appliance: the machine, and what it serves with.
    const GIVEN: [&str; 5] = ["64BIT", "X86_64", "NET", "INET", "EPOLL"];
    /// What holds where nothing else is asked for, and with what it does not.
    const WITHOUT: [(&str, &[&str]); 2] =
        [("TINY_RCU", &["SMP", "PREEMPTION"]), ("NO_HZ_IDLE", &["HZ_PERIODIC", "NO_HZ_FULL"])];

    /// What the patches add to the menu, each with the name of its patch and what it
    /// depends on.
    fn menu() -> Vec<(String, String, Vec<String>)> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("patches");
        let mut found: Vec<(String, String, Vec<String>)> = Vec::new();
        for entry in dir.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "patch") {
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                if let Some(symbol) = line.strip_prefix("+config TAILOR_") {
                    found.push((name.clone(), format!("TAILOR_{symbol}"), Vec::new()));
                } else if let Some(conditions) = line.strip_prefix("+\tdepends on ") {
                    let conditions = conditions.split(" && ").map(str::to_owned);
                    found.last_mut().unwrap().2.extend(conditions);
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn the_table_is_what_the_patches_add() {
        let table = OPTIONS.iter().map(|it| (it.patch.to_owned(), it.symbol.to_owned()));
        let menu = menu().into_iter().map(|(patch, symbol, _)| (patch, symbol));
        assert_eq!(table.collect::<Vec<_>>(), menu.collect::<Vec<_>>());
    }

    #[test]
    fn an_option_needs_and_excludes_what_it_depends_on() {
        for (option, (_, symbol, conditions)) in OPTIONS.iter().zip(menu()) {
            let (mut excludes, mut needs) = (Vec::new(), Vec::new());
            for condition in conditions.iter().filter(|it| !GIVEN.contains(&it.as_str())) {
                let without = WITHOUT.iter().find(|(it, _)| it == condition);
                match (condition.strip_prefix('!'), without) {
                    (Some(excluded), _) => excludes.push(excluded),
                    _ if condition.starts_with("TAILOR_") => needs.push(condition.as_str()),
                    (_, Some((_, by))) => excludes.extend(*by),
                    _ => panic!("{symbol} depends on {condition}, which nothing here gives"),
                }
            }
            assert_eq!(option.excludes, excludes, "{symbol}");
            assert_eq!(option.needs, needs, "{symbol}");
        }
    }

    #[test]
    fn what_brings_along_what_is_excluded_is_found() {
        let option = |symbol| OPTIONS.iter().find(|option| option.symbol == symbol).unwrap();
        assert_eq!(option("TAILOR_RATE").clash("TCP_CONG_BBR"), Some("TCP_CONG_BBR"));
        assert_eq!(option("TAILOR_OUTPUT").clash("BPF_SYSCALL"), Some("NET_EGRESS"));
        assert_eq!(option("TAILOR_ENTRY").clash("DEBUG_NET_SMALL_RTNL"), Some("TRACE_IRQFLAGS"));
        assert_eq!(option("TAILOR_INPUT").clash("TLS_DEVICE"), None);
        for (symbol, _) in TURNED_ON_BY {
            let is_used = OPTIONS.iter().any(|option| option.clash(symbol).is_some());
            assert!(is_used, "{symbol} is excluded by nothing");
        }
    }

    #[test]
    fn a_measure_goes_with_those_that_need_it() {
        assert_eq!(Tailor::ALL.without(Measure::Core), "`core = false`");
        assert_eq!(Tailor::ALL.without(Measure::Dac), "`dac = false` and `vfs = false`");
        let dac = Tailor { vfs: false, ..Tailor::ALL };
        assert_eq!(dac.without(Measure::Lsm), "`lsm = false` and `dac = false`");
    }

    #[test]
    fn options_are_on_with_their_measure() {
        let tailor = Tailor { vfs: true, ..Tailor::default() };
        let on: Vec<_> = tailor.requests().filter(|it| it.value == Value::Switch(true)).collect();
        assert!(on.iter().any(|it| it.symbol == "TAILOR_READ"), "{on:?}");
        assert_eq!(on.len(), tailor.options().count());
        assert_eq!(tailor.requests().count(), OPTIONS.len());
    }
}
