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
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proof").join(name);
    let source = dir.join("project");
    write_project(&source, tailor)?;
    let request = Request {
        project: source.clone(),
        target: Target::Kvm,
        variant: Variant::Default,
        out: Some(dir.join("out")),
        formats: vec![Format::Raw],
        signing: None,
        fetch: FetchOptions::default(),
        cache: home::cache(),
    };
    let mut plan = Plan::new(&spec::load(&source)?, Target::Kvm, Variant::Default)?;
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
