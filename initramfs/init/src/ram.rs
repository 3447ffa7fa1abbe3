//! How much memory the machine has.

/// What the kernel calls memory in `/proc/iomem`.
const NAME: &str = "System RAM";

/// The machine's memory in MiB, from the text of `/proc/iomem`; 0 when it shows
/// no addresses.
///
/// The kernel's own count (sysinfo(2)) leaves out what the kernel takes for
/// itself; this is what the machine was given, but for the few hundred KiB that its
/// firmware keeps, which is why it is rounded up.
pub fn installed(iomem: &str) -> u64 {
    let bytes: u64 = iomem.lines().filter_map(area).sum();
    bytes.div_ceil(1 << 20)
}

/// The bytes of a line that is a whole area of memory: what is part of another one
/// is indented (kernel/resource.c, `r_show`).
fn area(line: &str) -> Option<u64> {
    let (area, _) = line.split_once(" : ").filter(|(_, name)| *name == NAME)?;
    let (first, last) = area.split_once('-')?;
    let first = u64::from_str_radix(first, 16).ok()?;
    let last = u64::from_str_radix(last, 16).ok()?;
    // Without the right to see them all addresses are 0.
    (last > first).then(|| last - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_of_memory_are_summed_up() {
        // QEMU's q35 with 32 MiB.
        let text = "00000000-00000fff : Reserved\n\
            00001000-0009fbff : System RAM\n\
            0009fc00-000fffff : Reserved\n  000f0000-000fffff : System ROM\n\
            00100000-01fdffff : System RAM\n  01000000-013fffff : Kernel code\n\
            01fe0000-01ffffff : Reserved\n";
        assert_eq!(installed(text), 32);
        assert_eq!(installed("00000000-00100000 : System RAM\n"), 2);
        assert_eq!(installed(""), 0);
        assert_eq!(installed("00000000-00000000 : System RAM\n"), 0);
        let parts = "00000000-7fffffff : System RAM\n  00000000-00000fff : System RAM\n\
            100000000-17fffffff : System RAM\n";
        assert_eq!(installed(parts), 4096);
    }
}
