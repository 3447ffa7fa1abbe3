//! The plugin interface of QEMU, version 1 (include/qemu/qemu-plugin.h of 7.2), as
//! far as it is used here.

#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_int, c_uint, c_void};

pub(crate) type qemu_plugin_id_t = u64;

#[repr(C)]
pub(crate) struct qemu_plugin_tb {
    _opaque: [u8; 0],
}

#[repr(C)]
pub(crate) struct qemu_plugin_insn {
    _opaque: [u8; 0],
}

#[repr(C)]
pub(crate) struct qemu_plugin_hwaddr {
    _opaque: [u8; 0],
}

pub(crate) type qemu_plugin_meminfo_t = u32;

#[repr(C)]
pub(crate) struct qemu_info_t {
    pub target_name: *const c_char,
    pub version_min: c_int,
    pub version_cur: c_int,
    pub system_emulation: bool,
    pub smp_vcpus: c_int,
    pub max_vcpus: c_int,
}

pub(crate) const QEMU_PLUGIN_CB_NO_REGS: c_int = 0;
pub(crate) const QEMU_PLUGIN_INLINE_ADD_U64: c_int = 0;
pub(crate) const QEMU_PLUGIN_MEM_RW: c_int = 3;

unsafe extern "C" {
    pub(crate) fn qemu_plugin_register_vcpu_tb_trans_cb(
        id: qemu_plugin_id_t,
        cb: extern "C" fn(qemu_plugin_id_t, *mut qemu_plugin_tb),
    );
    pub(crate) fn qemu_plugin_tb_n_insns(tb: *const qemu_plugin_tb) -> usize;
    pub(crate) fn qemu_plugin_tb_get_insn(
        tb: *const qemu_plugin_tb,
        index: usize,
    ) -> *mut qemu_plugin_insn;
    pub(crate) fn qemu_plugin_insn_data(insn: *const qemu_plugin_insn) -> *const u8;
    pub(crate) fn qemu_plugin_insn_size(insn: *const qemu_plugin_insn) -> usize;
    pub(crate) fn qemu_plugin_insn_vaddr(insn: *const qemu_plugin_insn) -> u64;
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_cb(
        insn: *mut qemu_plugin_insn,
        cb: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_inline(
        insn: *mut qemu_plugin_insn,
        op: c_int,
        place: *mut c_void,
        add: u64,
    );
    pub(crate) fn qemu_plugin_register_vcpu_mem_cb(
        insn: *mut qemu_plugin_insn,
        cb: extern "C" fn(c_uint, qemu_plugin_meminfo_t, u64, *mut c_void),
        flags: c_int,
        rw: c_int,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_mem_size_shift(info: qemu_plugin_meminfo_t) -> c_uint;
    pub(crate) fn qemu_plugin_mem_is_store(info: qemu_plugin_meminfo_t) -> bool;
    pub(crate) fn qemu_plugin_get_hwaddr(
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> *mut qemu_plugin_hwaddr;
    pub(crate) fn qemu_plugin_hwaddr_is_io(addr: *const qemu_plugin_hwaddr) -> bool;
    pub(crate) fn qemu_plugin_hwaddr_phys_addr(addr: *const qemu_plugin_hwaddr) -> u64;
    pub(crate) fn qemu_plugin_hwaddr_device_name(addr: *const qemu_plugin_hwaddr) -> *const c_char;
    pub(crate) fn qemu_plugin_outs(text: *const c_char);
}
