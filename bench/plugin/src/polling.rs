//! Rests for a firmware that polls.
//!
//! A firmware has no interrupts: it asks its disk again and again whether it has
//! answered, so that a start would cost more the busier the host is. So the processor
//! rests when the disk has got something to do, until it has surely answered. A clock
//! of instructions stands still meanwhile.
//!
//! A virtio device is told of its work by 16 bits (Virtio 1.1, section 4.1.4): stored in
//! its memory, or with the older interface written to a port. Behind an `out` no rest
//! can be put, nor does QEMU say which port it is: there it is put before the next `in`,
//! by which the firmware reads its clock while it waits.

use std::ffi::{CStr, c_uint, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::ffi::*;
use crate::translate::{exec, mem};

/// A rest is so many naps: on a busy host each is late, as the disk is. There are some
/// hundred and fifty such rests.
const NAPS: u32 = 20;
const NAP: Duration = Duration::from_micros(500);
/// What QEMU's names of the places begin with that take the word of work
/// (hw/virtio/virtio-pci.c).
const PLACE: &[u8] = b"virtio-pci-notify";

/// Whether something was written to a port, and no port was read since.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// Looks after an instruction of a firmware.
///
/// # Safety
/// The instruction is QEMU's, and is being translated.
pub(crate) unsafe fn look_after(insn: *mut qemu_plugin_insn) {
    // SAFETY: as for the caller; the bytes live as long as the instruction, and the
    // callbacks need no data.
    unsafe {
        let size = qemu_plugin_insn_size(insn);
        match std::slice::from_raw_parts(qemu_plugin_insn_data(insn), size) {
            // mov %ax, (…); mov $…, (…)
            [0x66, 0x89 | 0xc7, ..] => mem(insn, on_store),
            // out %ax, %dx
            [0x66, 0xef] => exec(insn, on_out, null_mut()),
            // in %dx, %eax
            [0xed] => exec(insn, on_in, null_mut()),
            _ => {}
        }
    }
}

extern "C" fn on_store(_: c_uint, info: qemu_plugin_meminfo_t, address: u64, _: *mut c_void) {
    // SAFETY: info and place are QEMU's own for this access, and so is the name, which
    // ends with a zero byte.
    unsafe {
        let place = qemu_plugin_get_hwaddr(info, address);
        if place.is_null() || !qemu_plugin_hwaddr_is_io(place) {
            return;
        }
        let name = qemu_plugin_hwaddr_device_name(place);
        if !name.is_null() && CStr::from_ptr(name).to_bytes().starts_with(PLACE) {
            rest();
        }
    }
}

extern "C" fn on_out(_: c_uint, _: *mut c_void) {
    IS_TOLD.store(true, Ordering::Relaxed);
}

extern "C" fn on_in(_: c_uint, _: *mut c_void) {
    if IS_TOLD.swap(false, Ordering::Relaxed) {
        rest();
    }
}

fn rest() {
    (0..NAPS).for_each(|_| thread::sleep(NAP));
}
