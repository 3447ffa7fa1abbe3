//! A build, as one recipe: the plan is carried out step by step, each through
//! the cache, and the results take the output directory's place at the end.

mod initramfs;
mod kernel;
mod notices;
mod output;
mod package;
pub(crate) mod program;
mod server;
mod sign;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use host::{Command, refused};

use crate::cache::Cache;
use crate::cli::BuildArgs;
use crate::disk::Format;
use crate::home;
use crate::manifest::Manifest;
use crate::plan::{Plan, Storage};
use crate::progress::Progress;
use crate::report::{self, say};
use crate::sources::{FetchOptions, Fetcher};
use crate::spec::{self, DiskSize};
use crate::target::Target;
use crate::text::{duration, size};
use crate::variant::Variant;
use sign::Signer;
pub use sign::Signing;

/// What is asked of a build.
#[derive(Clone, Debug)]
pub struct Request {
    /// A project's directory or file.
    pub project: PathBuf,
    /// What to build for.
    pub target: Target,
    /// How the server runs.
    pub variant: Variant,
    /// The output directory; `build/NAME-TARGET`, or `build/NAME-TARGET-VARIANT`, if
    /// not given.
    pub out: Option<PathBuf>,
    /// Disk images to write.
    pub formats: Vec<Format>,
    /// What the package is signed with.
    pub signing: Option<Signing>,
    /// Where sources may come from.
    pub fetch: FetchOptions,
    /// The directory of the cache.
    pub cache: PathBuf,
}

/// What a build has made.
#[derive(Debug)]
pub struct Built {
    /// The output directory.
    pub out: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// Whether it was there already, with all its inputs the same.
    pub unchanged: bool,
}

/// The bench that every step of one build works at.
struct Bench<'a> {
    plan: &'a Plan,
    cache: Cache,
    fetcher: Fetcher<'a>,
    progress: &'a Progress,
}

impl<'a> Bench<'a> {
    fn new(request: &Request, plan: &'a Plan, progress: &'a Progress) -> Self {
        let cache = Cache::new(request.cache.clone());
        let fetcher = Fetcher::new(cache.root(), request.fetch.clone(), progress);
        Self { plan, cache, fetcher, progress }
    }
}

/// Carries out a build.
///
/// # Errors
/// Refused when the request cannot be carried out as given; otherwise when a
/// step fails. The output directory is then as it was before.
pub fn build(request: &Request, progress: &Progress) -> Result<Built> {
    let project = spec::load(&request.project)?;
    carry_out(request, &Plan::new(&project, request.target, request.variant)?, progress)
}

/// The C library that the server of a request is linked with, for programs that are to
/// run beside it: a directory with `include/`, `lib/` and `musl.specs`.
///
/// # Errors
/// As [`build`].
pub fn c_library(request: &Request, progress: &Progress) -> Result<PathBuf> {
    let project = spec::load(&request.project)?;
    let plan = Plan::new(&project, request.target, request.variant)?;
    let bench = Bench::new(request, &plan, progress);
    let _shared = bench.cache.share(progress)?;
    server::c_library(&bench)
}

/// Carries out a plan; the request says where to, and where sources may come from.
///
/// # Errors
/// As [`build`].
pub fn carry_out(request: &Request, plan: &Plan, progress: &Progress) -> Result<Built> {
    let usual = || {
        let (target, suffix) = (plan.target.name(), plan.variant.suffix());
        PathBuf::from(format!("build/{}-{target}{suffix}", plan.name))
    };
    let place = request.out.clone().unwrap_or_else(usual);
    output::check_place(&place)?;
    let signer = signer(request, plan)?;
    // The disk is longer than its file system, and known only when it is made.
    if let Storage::Disk { size: DiskSize::Bytes(bytes), .. } = plan.storage {
        request.formats.iter().try_for_each(|format| format.check(bytes))?;
    }
    let bench = Bench::new(request, plan, progress);
    let _shared = bench.cache.share(progress)?;

    // What is wrong with its configuration is told before the kernel takes minutes.
    let server = server::build(&bench)?;
    let kernel = kernel::build(&bench)?;
    let init = program::INIT.build(&bench.cache, progress)?.join("init");
    let initramfs = initramfs::build(&bench, &server, &init)?;
    let wanted = output::Wanted { formats: &request.formats, signer: signer.as_ref() };
    output::write(&bench, &place, &wanted, output::Parts { kernel, server, initramfs })
}

/// What the package is signed with, looked at before anything is compiled.
fn signer<'a>(request: &'a Request, plan: &Plan) -> Result<Option<Signer<'a>>> {
    let Some(signing) = &request.signing else { return Ok(None) };
    if plan.vmware.is_none() {
        let name = plan.target.name();
        return Err(refused(format!("--sign: there is no package to sign for the target {name}"))
            .hint("add --target vmware, or leave --sign and --cert out")
            .into());
    }
    Signer::new(signing).map(Some)
}

/// Carries out `appliance build`.
///
/// # Errors
/// As [`build`].
pub fn command(args: &BuildArgs) -> Result<ExitCode> {
    let request = request(args);
    let progress = Progress::new(args.verbose);
    if args.show_config || args.diff_config {
        return show_configuration(&request, args, &progress);
    }
    let start = Instant::now();
    let built = build(&request, &progress)?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&built.manifest)?);
    } else {
        tell(&built, start.elapsed());
    }
    Ok(ExitCode::SUCCESS)
}

fn request(args: &BuildArgs) -> Request {
    let given = [
        ("kernel", &args.kernel_source),
        ("lighttpd", &args.lighttpd_source),
        ("musl", &args.musl_source),
    ];
    let overrides = given
        .into_iter()
        .filter_map(|(name, path)| Some((name.to_owned(), path.clone()?)))
        .collect();
    Request {
        project: args.project.clone().unwrap_or_else(|| home::repository().join("examples/hello")),
        target: args.target,
        variant: args.variant,
        out: args.output.clone(),
        formats: args.format.clone().unwrap_or_else(|| args.target.formats()),
        signing: args
            .sign
            .clone()
            .zip(args.cert.clone())
            .map(|(key, certificate)| Signing { key, certificate }),
        fetch: FetchOptions { locked: args.locked, offline: args.offline, overrides },
        cache: home::cache(),
    }
}

/// Derives the kernel's configuration and prints it, or its difference from
/// Debian's.
fn show_configuration(
    request: &Request,
    args: &BuildArgs,
    progress: &Progress,
) -> Result<ExitCode> {
    let project = spec::load(&request.project)?;
    let plan = Plan::new(&project, request.target, request.variant)?;
    let bench = Bench::new(request, &plan, progress);
    let _shared = bench.cache.share(progress)?;
    let configuration = kernel::configuration(&bench)?;
    if args.diff_config {
        let difference = configuration.difference(&debian_configuration(&bench)?);
        if args.json {
            say!("{}", serde_json::to_string_pretty(&difference)?);
        } else {
            report::print(&difference.to_string());
        }
    } else if args.json {
        say!("{}", serde_json::to_string_pretty(&configuration.settings())?);
    } else {
        configuration.settings().iter().for_each(|setting| say!("{setting}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of Debian's cloud configuration, which Debian packs with xz.
fn debian_configuration(bench: &Bench) -> Result<String> {
    let source = bench.fetcher.get("kernel-cloud-config")?;
    let packed = source.verified()?;
    let text = Command::new("xz").args(["--decompress", "--stdout"]).arg(packed).output()?;
    String::from_utf8(text).with_context(|| format!("reading {}", packed.display()))
}

/// Says what was made and how to start it.
fn tell(built: &Built, time: Duration) {
    let (out, manifest) = (built.out.display(), &built.manifest);
    if built.unchanged {
        say!("{out} is up to date ({})", duration(time));
    } else {
        say!("built {out} in {}", duration(time));
    }
    for (name, file) in &manifest.files {
        say!("  {name:15} {:>9}  {}", size(file.bytes), file.why);
    }
    say!(
        "Linux {}, serving {} files on port {}",
        manifest.kernel,
        manifest.site.len(),
        manifest.server.port
    );
    say!("{}", manifest.profile.gives_up(manifest.tailor));
    if let Some(what) = manifest.variant.gives_up() {
        say!("variant {} gives up {what}", manifest.variant.name());
    }
    let appliance = home::command_name();
    say!("start it with:    {appliance} run {out}");
    say!("see what is in:   {appliance} inspect {out}");
}
