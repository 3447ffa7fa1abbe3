//! A guest that takes QEMU for VMware, as far as QEMU plays the part: the kernel
//! knows the hypervisor by the machine's serial number and by the I/O port, at
//! which it and PID 1 ask. QEMU answers there to the first question and to none of
//! PID 1's messages.

use anyhow::Result;
use libtest_mimic::Trial;

use crate::image::{BOOT, Image, forwarded};
use crate::project::VMWARE;
use crate::trial::{trial, with_guest};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("vmware::the_kernel_knows_its_hypervisor", &VMWARE, hypervisor)]
}

fn hypervisor(image: &Image) -> Result<()> {
    let mut machine = image.machine_with_words("ignore_loglevel")?;
    // Without the bit of a hypervisor in CPUID the kernel looks at the serial number
    // (arch/x86/kernel/cpu/vmware.c, `vmware_platform`).
    machine.processor = Some("max,-hypervisor".into());
    machine.serial_number = Some("VMware-56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 00".into());
    with_guest(&machine, |guest| {
        let said = "Booting paravirtualized kernel on VMware hypervisor";
        guest.wait_for(said, BOOT, |line| line.contains(said).then_some(()))?;
        guest.wait_serving(BOOT)?;
        image.compare(guest, forwarded(guest)?)
    })
}
