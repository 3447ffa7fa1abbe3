//! The kernels that are compared, built as the builder builds them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use appliance::build::{Request, carry_out};
use appliance::disk::Format;
use appliance::home;
use appliance::plan::{Plan, Variation};
use appliance::progress::Progress;
use appliance::sources::FetchOptions;
use appliance::spec;
use appliance::target::Target;
use appliance::variant::Variant;
use kernel::{Measure, Requested, Tailor, Value};

/// The output directory of an image that leaves out so much.
pub(crate) fn image(name: &str, tailor: Tailor, options: &[(&str, bool)]) -> Result<PathBuf> {
    image_of_variant(Variant::Default, name, tailor, options)
}

/// The same of a variant.
pub(crate) fn image_of_variant(
    variant: Variant,
    name: &str,
    tailor: Tailor,
    options: &[(&str, bool)],
) -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proof").join(name);
    let source = dir.join("project");
    write_project(&source, tailor)?;
    let request = Request {
        project: source.clone(),
        target: Target::Kvm,
        variant,
        out: Some(dir.join("out")),
        formats: vec![Format::Raw],
        signing: None,
        fetch: FetchOptions::default(),
        cache: home::cache(),
    };
    let mut plan = Plan::new(&spec::load(&source)?, Target::Kvm, variant)?;
    let vary = |(symbol, on): &(&str, bool)| {
        Requested::by_measurement(*symbol, Value::Switch(*on), "proof")
    };
    let options = options.iter().map(vary).collect();
    plan.kernel.variation = Variation { options, flags: Vec::new() };
    eprintln!("building the image `{name}`");
    Ok(carry_out(&request, &plan, &Progress::new(false))?.out)
}

/// A site on a disk that is read only, as that of most images.
fn write_project(dir: &Path, tailor: Tailor) -> Result<()> {
    let measures = Measure::ALL.map(|it| format!("{it} = {}\n", tailor.has(it)));
    let text = format!(
        "name = \"proof\"\n[server]\nroot = \"site\"\n[network]\n\
         addresses = [\"10.0.2.15/24\"]\ngateways = [\"10.0.2.2\"]\n[kernel.tailor]\n{}",
        measures.concat()
    );
    let site = dir.join("site");
    fs::create_dir_all(&site).with_context(|| format!("making {}", site.display()))?;
    fs::write(dir.join("appliance.toml"), text).context("writing the project")?;
    fs::write(site.join("index.html"), "<p>A page.</p>\n").context("writing the page")
}

/// Each measure that has patches, with what it needs and nothing else.
pub(crate) fn alone() -> impl Iterator<Item = (Measure, Tailor)> {
    let patched = Measure::ALL.into_iter().filter(|measure| measure.options().next().is_some());
    patched.map(|measure| {
        let tailor = Tailor::CONFIGURATION.set(measure, true);
        let tailor = measure.needs().map_or(tailor, |(needed, _)| tailor.set(needed, true));
        (measure, tailor)
    })
}

/// Each option of the menu whose measure has others, with what it needs and without the
/// rest: its name, the measures, and the rest, off.
pub(crate) fn options_alone() -> impl Iterator<Item = (String, Tailor, Vec<(&'static str, bool)>)> {
    alone().filter(|(measure, _)| measure.options().count() > 1).flat_map(|(measure, tailor)| {
        measure.options().map(move |option| {
            let name = option.symbol.to_lowercase();
            let others = measure.options().filter(|other| !option.is_with(other));
            (name, tailor, others.map(|other| (other.symbol, false)).collect())
        })
    })
}

/// The kernel of an output directory, made never to forget the paths that it remembers:
/// what finds faults finds this one.
pub(crate) fn forgetful(out: &Path, room: &Path) -> Result<PathBuf> {
    /// `ret`, at the beginning of the function that forgets.
    const RETURN: u8 = 0xc3;
    let mut bytes = fs::read(out.join("vmlinux")).context("reading the kernel")?;
    let map = fs::read_to_string(out.join("System.map")).context("reading System.map")?;
    let symbol = map.lines().find_map(|line| line.strip_suffix(" T tailor_path_forget"));
    let address = u64::from_str_radix(symbol.context("nothing forgets paths")?, 16)?;
    let offset = offset_of(&bytes, address).context("the function is not in the file")?;
    *bytes.get_mut(offset).context("the kernel is shorter than it says")? = RETURN;
    let broken = room.join("vmlinux");
    fs::write(&broken, bytes).context("writing the kernel")?;
    Ok(broken)
}

/// Where the file holds an address, by the segments that are loaded (elf(5)).
fn offset_of(elf: &[u8], address: u64) -> Option<usize> {
    const PT_LOAD: u64 = 1;
    let number = |at: usize, bytes: usize| -> Option<u64> {
        let mut word = [0; 8];
        word.get_mut(..bytes)?.copy_from_slice(elf.get(at..at + bytes)?);
        Some(u64::from_le_bytes(word))
    };
    let (start, count) = (usize::try_from(number(32, 8)?).ok()?, number(56, 2)?);
    (0..usize::try_from(count).ok()?).find_map(|index| {
        let at = start + 56 * index;
        let (kind, offset) = (number(at, 4)?, number(at + 8, 8)?);
        let (virtual_address, length) = (number(at + 16, 8)?, number(at + 32, 8)?);
        let within = address.checked_sub(virtual_address).filter(|within| *within < length)?;
        (kind == PT_LOAD).then(|| usize::try_from(offset + within).ok())?
    })
}
