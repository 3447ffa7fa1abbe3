//! The memory functions that the compiler calls and a C library would have.
//!
//! They are written with string instructions, since a loop in Rust would be
//! compiled into a call of itself.

use core::arch::asm;

/// Copies `count` bytes; the areas do not overlap.
///
/// # Safety
/// As `memcpy` of ISO C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller promises both areas; the direction flag is clear (System
    // V ABI, section 3.2.1).
    unsafe {
        asm!(
            "rep movsb",
            inout("rdi") to => _, inout("rsi") from => _, inout("rcx") count => _,
            options(nostack, preserves_flags),
        );
    }
    to
}

/// Copies `count` bytes; the areas may overlap.
///
/// # Safety
/// As `memmove` of ISO C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= count {
        // SAFETY: an upward copy reads each byte before it is overwritten.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: as in `memcpy`, downwards; the flag is clear again at the end.
    unsafe {
        asm!(
            "std", "rep movsb", "cld",
            inout("rdi") to.wrapping_add(count).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(count).wrapping_sub(1) => _,
            inout("rcx") count => _,
            options(nostack),
        );
    }
    to
}

/// Sets `count` bytes to the low byte of `value`.
///
/// # Safety
/// As `memset` of ISO C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    // SAFETY: as in `memcpy`.
    unsafe {
        asm!(
            "rep stosb",
            inout("rdi") to => _, in("eax") value, inout("rcx") count => _,
            options(nostack, preserves_flags),
        );
    }
    to
}

/// Compares `count` bytes: 0, or the sign of the first difference.
///
/// # Safety
/// As `memcmp` of ISO C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    for at in 0..count {
        // SAFETY: the caller promises both areas.
        let (a, b) = unsafe { (a.add(at).read_volatile(), b.add(at).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// Compares `count` bytes: 0 when they are equal.
///
/// # Safety
/// As [`memcmp`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    // SAFETY: the same promise.
    unsafe { memcmp(a, b, count) }
}
