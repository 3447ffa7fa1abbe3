//! What the machine is told from outside: by the kernel's command line, by a text
//! that QEMU hands over (`-fw_cfg name=opt/appliance/network,file=…`), and by the
//! properties that VMware keeps with the machine.

use core::ffi::CStr;
use core::fmt::Write;

use init::config::Config;
use init::overrides::{Overrides, Refused};
use init::vmware::environment::properties;

use crate::console::say;
use crate::hypervisor::Hypervisor;
use crate::sys;

const COMMAND_LINE: &CStr = c"/proc/cmdline";
/// Where the kernel shows QEMU's text (Documentation/ABI/testing/
/// sysfs-firmware-qemu_fw_cfg); missing when there is none.
const HANDED_OVER: &CStr = c"/sys/firmware/qemu_fw_cfg/by_name/opt/appliance/network/raw";
/// Where programs look for the name servers.
const RESOLVER: &CStr = c"/etc/resolv.conf";

/// The longest text of each, in bytes: the kernel's own limit for the first.
const TEXT_MAX: usize = 4096;
/// The longest document with properties, in bytes.
const PROPERTIES_MAX: usize = 16384;

/// Room for the texts, in which values that were taken stay.
pub(crate) struct Texts {
    command_line: [u8; TEXT_MAX],
    handed_over: [u8; TEXT_MAX],
    properties: [u8; PROPERTIES_MAX],
}

impl Texts {
    pub(crate) const fn new() -> Self {
        Self {
            command_line: [0; TEXT_MAX],
            handed_over: [0; TEXT_MAX],
            properties: [0; PROPERTIES_MAX],
        }
    }
}

/// The configuration with what comes from outside, or as it was built in when that
/// is not as it must be.
pub(crate) fn apply<'a>(
    config: &Config<'a>,
    hypervisor: Option<&Hypervisor>,
    texts: &'a mut Texts,
) -> Config<'a> {
    match read(hypervisor, texts) {
        Ok(overrides) => match overrides.apply(config) {
            Ok(changed) => {
                write_resolver(&overrides);
                changed
            }
            Err(what) => refuse(config, format_args!("{what}")),
        },
        Err(refused) => refuse(config, format_args!("{refused}")),
    }
}

fn refuse<'a>(config: &Config<'a>, what: core::fmt::Arguments<'_>) -> Config<'a> {
    say!("not taken from outside: {what}; the built-in configuration is used");
    *config
}

/// What the hypervisor says comes last and wins: it is of this machine, while a
/// command line may be of many.
fn read<'a>(
    hypervisor: Option<&Hypervisor>,
    texts: &'a mut Texts,
) -> Result<Overrides<'a>, Refused<'a>> {
    let mut overrides = Overrides::default();
    if let Ok(text) = sys::read_file(COMMAND_LINE, &mut texts.command_line) {
        overrides.command_line(text)?;
    }
    if let Ok(text) = sys::read_file(HANDED_OVER, &mut texts.handed_over) {
        overrides.lines(text)?;
    }
    if let Some(text) = hypervisor.and_then(|it| it.environment(&mut texts.properties)) {
        overrides.properties(properties(text))?;
    }
    Ok(overrides)
}

fn write_resolver(overrides: &Overrides) {
    let mut text = Text { bytes: [0; 1024], len: 0 };
    for server in overrides.dns() {
        // Sixteen lines fit.
        let _ = writeln!(text, "nameserver {server}");
    }
    if text.len > 0
        && let Err(errno) = sys::create_file(RESOLVER, &text.bytes[..text.len])
    {
        say!("writing /etc/resolv.conf: {errno}");
    }
}

/// A text of limited length.
struct Text {
    bytes: [u8; 1024],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
