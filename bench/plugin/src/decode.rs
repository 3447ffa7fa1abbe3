//! What kind of instruction some bytes are (Intel SDM, volume 2, section 2.1).

/// What an instruction is, as far as it is counted in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any other.
    Plain,
    /// A string instruction under `rep`.
    Rep,
    /// One that leaves a virtual machine, by the name of its kind.
    Exit(&'static str),
    /// The same under `rep`.
    RepExit(&'static str),
    /// `syscall`.
    Call,
    /// `sysret` or `iret`, which end a system call or something nested; and `jmp *%rcx`,
    /// which in the kernel's entry code does so for a program in ring 0.
    Return,
    /// `nopl MARK(%rax)` with one of our marks.
    Mark(u16),
    /// A direct call, with its target relative to the next instruction.
    NearCall(i32),
    /// A direct jump, likewise.
    Jump(i32),
    /// `ret`.
    NearReturn,
}

/// The upper half of a mark.
const MARK: u32 = 0x4150;

/// Looks at the bytes of one instruction.
pub(crate) fn kind(bytes: &[u8]) -> Kind {
    let mut rest = bytes;
    let mut rep = false;
    while let [prefix, more @ ..] = rest {
        match prefix {
            0xf2 | 0xf3 => rep = true,
            // Segments, sizes, lock, and REX.
            0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0x40..=0x4f => {}
            _ => break,
        }
        rest = more;
    }
    match rest {
        [0x6c..=0x6f, ..] if rep => Kind::RepExit("port"),
        [0x6c..=0x6f | 0xe4..=0xe7 | 0xec..=0xef, ..] => Kind::Exit("port"),
        [0xa4..=0xa7 | 0xaa..=0xaf, ..] if rep => Kind::Rep,
        [0xf4, ..] => Kind::Exit("hlt"),
        [0x0f, 0x30, ..] => Kind::Exit("wrmsr"),
        [0x0f, 0xa2, ..] => Kind::Exit("cpuid"),
        [0x0f, 0x05, ..] => Kind::Call,
        [0x0f, 0x07, ..] | [0xcf, ..] | [0xff, 0xe1, ..] => Kind::Return,
        [0x0f, 0x1f, 0x80, mark @ ..] => match mark.try_into().map(u32::from_le_bytes) {
            Ok(mark) if mark >> 16 == MARK => Kind::Mark((mark & 0xffff) as u16),
            _ => Kind::Plain,
        },
        [0xe8, target @ ..] => offset(target).map_or(Kind::Plain, Kind::NearCall),
        [0xe9, target @ ..] => offset(target).map_or(Kind::Plain, Kind::Jump),
        [0xc2 | 0xc3, ..] => Kind::NearReturn,
        _ => Kind::Plain,
    }
}

fn offset(bytes: &[u8]) -> Option<i32> {
    bytes.try_into().map(i32::from_le_bytes).ok()
}
