//! The same random calls on two kernels: results, error numbers and data have to agree.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use kernel::Tailor;

use crate::guest::{Fuzz, Order};
use crate::kernels::{self, image};

/// Calls in a world.
const CALLS: u64 = 1000;
/// The most worlds of one guest: it ends before its age shows. Connections that were
/// closed are remembered for a minute, and there is room for so many only.
const WORLDS: u64 = 100;
/// How many calls are shown before the one that differs.
const BEFORE: usize = 12;

/// So many guests, each of a seed of its own, with ext3 or ext4 beside tmpfs, ramfs and
/// sockets.
fn orders(first: u64, guests: u64, worlds: u64) -> impl Iterator<Item = Order> {
    (first..first + guests).map(move |seed| {
        let filesystem = if seed % 2 == 0 { "ext4" } else { "ext3" };
        Order { seed, worlds, calls: CALLS, shown: None, filesystem }
    })
}

fn kernel(name: &str, tailor: Tailor) -> Result<PathBuf> {
    Ok(image(name, tailor, &[])?.join("vmlinux"))
}

/// What both say, told to the reader, or the first call that differs.
///
/// A world that differs is gone through again. A kernel that answers otherwise does so
/// again; what a clock of the machine decided, about once in a million calls, comes out
/// alike then. One such world of a guest is told and let pass.
fn compare(tailored: &Path, other: &Path, order: Order) -> Result<()> {
    let (one, two) = both(tailored, other, order)?;
    let Order { seed, worlds, calls, filesystem, .. } = order;
    for lines in [&one, &two] {
        ensure!(lines.len() as u64 == worlds, "{} worlds instead of {worlds}", lines.len());
    }
    let differing: Vec<u64> =
        (0..).zip(one.iter().zip(&two)).filter_map(|(at, (a, b))| (a != b).then_some(at)).collect();
    let known = format!("seed {seed}, {filesystem}");
    let Some(first) = differing.first() else {
        println!("{} calls agree ({known})", worlds * calls);
        return Ok(());
    };
    look_again(tailored, other, order, *first)?;
    ensure!(differing.len() == 1, "worlds {differing:?} differ, the first not again ({known})");
    println!("{} calls agree ({known}), world {first} not at once", worlds * calls);
    Ok(())
}

/// Both kernels at once.
fn both(tailored: &Path, other: &Path, order: Order) -> Result<(Vec<String>, Vec<String>)> {
    let run = |kernel: &Path| Fuzz::new(kernel, order)?.run();
    thread::scope(|scope| {
        let one = scope.spawn(|| run(tailored));
        let two = run(other).context("without the patches");
        let one = one.join().map_err(|_| anyhow!("a run panicked"))?.context("with the patches");
        Ok((one?, two?))
    })
}

/// Goes through the same worlds again and looks at each call of the one that differs.
///
/// # Errors
/// The call that differs, if it does again.
fn look_again(tailored: &Path, other: &Path, order: Order, world: u64) -> Result<()> {
    let order = Order { worlds: world + 1, shown: Some(world), ..order };
    let (one, two) =
        both(tailored, other, order).with_context(|| format!("looking at world {world} again"))?;
    let mut lines = one.iter().zip(&two);
    let Some(at) = lines.position(|(one, two)| one != two && one.starts_with("call")) else {
        ensure!(one.last() == two.last(), "world {world} differs, but none of its calls");
        return Ok(());
    };
    let before = one[at.saturating_sub(BEFORE)..at].join("\n  ");
    bail!(
        "the kernels differ ({order:?}):\n  {before}\nwith the patches:\n  {}\nwithout:\n  {}",
        one[at],
        two[at]
    )
}

/// Fifty thousand calls.
pub(crate) fn quick() -> Result<()> {
    let (tailored, other) = pair()?;
    orders(1, 2, 25).try_for_each(|order| compare(&tailored, &other, order))
}

/// A million calls.
pub(crate) fn million() -> Result<()> {
    let (tailored, other) = pair()?;
    orders(20_261_125, 10, WORLDS).try_for_each(|order| compare(&tailored, &other, order))
}

fn pair() -> Result<(PathBuf, PathBuf)> {
    Ok((kernel("tailored", Tailor::ALL)?, kernel("untailored", Tailor::CONFIGURATION)?))
}

/// Each measure with what it needs and nothing else.
pub(crate) fn each_measure() -> Result<()> {
    let other = kernel("untailored", Tailor::CONFIGURATION)?;
    for (measure, tailor) in kernels::alone() {
        let tailored = kernel(measure.name(), tailor)?;
        for order in orders(101, 2, 50) {
            compare(&tailored, &other, order).with_context(|| format!("{measure} alone"))?;
        }
    }
    Ok(())
}

/// Each option of a measure without the others.
pub(crate) fn each_option() -> Result<()> {
    let other = kernel("untailored", Tailor::CONFIGURATION)?;
    for (name, tailor, others) in kernels::options_alone() {
        let tailored = image(&name, tailor, &others)?.join("vmlinux");
        for order in orders(201, 2, 25) {
            compare(&tailored, &other, order).with_context(|| format!("{name} alone"))?;
        }
    }
    Ok(())
}

/// A kernel whose remembered paths are never forgotten is found, with the call.
pub(crate) fn seeded_bug() -> Result<()> {
    let room = tempfile::tempdir().context("making a directory")?;
    let out = image("tailored", Tailor::ALL, &[])?;
    let broken = kernels::forgetful(&out, room.path())?;
    let other = kernel("untailored", Tailor::CONFIGURATION)?;
    match orders(1, 2, 25).try_for_each(|order| compare(&broken, &other, order)) {
        Ok(()) => bail!("nothing was found in a kernel that does not forget paths"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains("the kernels differ"), "found otherwise: {said}");
            Ok(())
        }
    }
}
