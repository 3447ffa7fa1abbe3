//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::disk::Format;
use crate::export::Engine;
use crate::run::Firmware;
use crate::spec::FirmwareKind;
use crate::target::Target;
use crate::variant::Variant;

/// Builds a bootable virtual-machine image around one server program
#[derive(Debug, Parser)]
#[command(name = "appliance", version, max_term_width = 80, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a new project: an appliance.toml with comments and a sample site
    New {
        /// The directory to make; its name becomes the appliance's
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Build an image
    Build(BuildArgs),
    /// Boot an image in QEMU; Ctrl-C shuts it down
    Run(RunArgs),
    /// Boot an image with each firmware and compare every file of its site
    Test {
        /// The directory of a build
        #[command(flatten)]
        out: Out,
        /// Print the verdicts as JSON
        #[arg(long)]
        json: bool,
    },
    /// Measure what a system call, a request, a connection and a boot cost
    Bench(BenchArgs),
    /// Show which system calls the server makes and what the kernel does in them
    Profile(ProfileArgs),
    /// Show what an image holds and why, and where its bytes go
    Inspect {
        /// The directory of a build, or a disk image
        #[arg(value_name = "OUT | IMAGE", default_value = DEFAULT_OUT)]
        image: PathBuf,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Write what libvirt, Proxmox VE or KubeVirt needs to run an image
    Export(ExportArgs),
    /// Say what VMware's products and VirtualBox would refuse in a file
    Lint {
        /// An .ova, an .ovf with its files beside it, or a .vmdk
        #[arg(required_unless_present = "rules", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// List the rules, and stop
        #[arg(long, conflicts_with = "file")]
        rules: bool,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what this machine has and lacks for building
    Doctor {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Empty the cache of what builds have made
    Clean {
        /// Remove fetched sources and tools too
        #[arg(long)]
        sources: bool,
        /// Only say where the cache is and how large
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the JSON schema of appliance.toml
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page in roff
    Man,
}

/// Where a build without `-o` of the project without a name puts its output.
const DEFAULT_OUT: &str = "build/hello-kvm";

/// The directory of a build.
#[derive(Debug, Args)]
pub struct Out {
    /// The directory of a build
    #[arg(value_name = "OUT", default_value = DEFAULT_OUT, value_hint = ValueHint::DirPath)]
    pub path: PathBuf,
}

/// What `appliance build` takes.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// A project's directory or its appliance.toml [default: examples/hello]
    #[arg(value_name = "DIR | FILE.toml", value_hint = ValueHint::AnyPath)]
    pub project: Option<PathBuf>,
    /// What to build for
    #[arg(long, value_enum, default_value = "kvm")]
    pub target: Target,
    /// How the server runs
    #[arg(long, value_enum, default_value = "default")]
    pub variant: Variant,
    /// The directory to make [default: build/NAME-TARGET, or build/NAME-TARGET-kml]
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// Disk images to write, with commas between [default: qcow2; for vmware none
    /// beside the package]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub format: Option<Vec<Format>>,
    /// Sign the package for VMware with this private key
    #[arg(long, value_name = "KEY", requires = "cert", value_hint = ValueHint::FilePath)]
    pub sign: Option<PathBuf>,
    /// The certificate of the key, in PEM
    #[arg(long, value_name = "CERT", requires = "sign", value_hint = ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// Print the manifest as JSON when done
    #[arg(long)]
    pub json: bool,
    /// Refuse sources other than the tested ones
    #[arg(long)]
    pub locked: bool,
    /// Use only what was fetched before
    #[arg(long)]
    pub offline: bool,
    /// Build the kernel from this tarball
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kernel_source: Option<PathBuf>,
    /// Build the server from this tarball
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub lighttpd_source: Option<PathBuf>,
    /// Build the C library from this tarball
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub musl_source: Option<PathBuf>,
    /// Print the derived kernel configuration with reasons, and stop
    #[arg(long, conflicts_with = "diff_config")]
    pub show_config: bool,
    /// Print how it differs from Debian's cloud configuration, and stop
    #[arg(long)]
    pub diff_config: bool,
    /// Say why each step runs
    #[arg(short, long)]
    pub verbose: bool,
}

/// What `appliance export` takes.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// What is to run it
    #[arg(value_enum)]
    pub engine: Engine,
    /// The directory of a build
    #[command(flatten)]
    pub out: Out,
    /// The directory to make [default: OUT-ENGINE]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// How the machine starts [default: bios; for vmware as its package says]
    #[arg(long, value_enum)]
    pub firmware: Option<FirmwareKind>,
    /// What the cluster calls the container image [default:
    /// localhost:5000/NAME:latest]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
}

/// What `appliance run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The directory of a build
    #[command(flatten)]
    pub out: Out,
    /// How the machine starts
    #[arg(long, value_enum, default_value = "direct")]
    pub firmware: Firmware,
    /// Memory of the machine in MiB [default: what the image needs]
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
    /// Local port to forward [default: 8080, or a free one]
    #[arg(long)]
    pub port: Option<u16>,
}

/// What `appliance bench` takes.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The directory of a build
    #[command(flatten)]
    pub out: Out,
    /// Only system calls, the direct start and two loads
    #[arg(long)]
    pub quick: bool,
    /// What to compare with, with commas between [default: what is cached with
    /// --quick, else every one]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub baseline: Option<Vec<Baseline>>,
    /// Only drive the loads, against a server that runs already
    #[arg(long, value_name = "URL", conflicts_with = "quick")]
    pub against: Option<String>,
    /// Only measure what the steps of tailoring change, or those of these groups, with
    /// commas between; the rest of an older report stays
    #[arg(
        long, value_enum, value_name = "GROUP", value_delimiter = ',', num_args = 0..,
        require_equals = true,
        conflicts_with_all = ["quick", "baseline", "against", "contract", "update_contract", "path"]
    )]
    pub stages: Option<Vec<StageGroup>>,
    /// The project that the steps vary [default: examples/hello]
    #[arg(
        long, value_name = "DIR | FILE.toml", requires = "stages", value_hint = ValueHint::AnyPath
    )]
    pub project: Option<PathBuf>,
    /// Measure nothing, and make the report again from a report.json
    #[arg(
        long, value_name = "FILE", value_hint = ValueHint::FilePath,
        conflicts_with_all = [
            "quick", "baseline", "against", "contract", "update_contract", "stages", "path"
        ]
    )]
    pub from: Option<PathBuf>,
    /// Fail where a figure is above its limit in bench/contract.toml
    #[arg(long)]
    pub contract: bool,
    /// Lower the limits in bench/contract.toml to what was measured
    #[arg(long)]
    pub update_contract: bool,
    /// The directory for the report [default: build/report]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// What an appliance is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Baseline {
    /// Nothing
    None,
    /// Debian's cloud kernel of the same release, with our server
    StockKernel,
    /// The same without protection from the processor's faults
    StockKernelUnmitigated,
    /// Debian's kernel for every machine, of the same release
    StockGeneric,
    /// The same without protection from the processor's faults
    StockGenericUnmitigated,
    /// Debian 12's own cloud kernel
    #[value(name = "linux-6.1")]
    Linux61,
    /// The same without protection from the processor's faults
    #[value(name = "linux-6.1-unmitigated")]
    Linux61Unmitigated,
    /// Debian 12's own kernel for every machine
    #[value(name = "linux-6.1-generic")]
    Linux61Generic,
    /// The same without protection from the processor's faults
    #[value(name = "linux-6.1-generic-unmitigated")]
    Linux61GenericUnmitigated,
    /// A whole Debian with its own lighttpd and the usual services
    StockMachine,
    /// The same without what a web server does not need
    StockMachinePruned,
}

/// Steps of tailoring that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageGroup {
    /// A whole Debian with and without superfluous packages
    Packages,
    /// The kernel's configuration against Debian's, and its decisions one by one
    Configuration,
    /// Paravirtual devices against emulated ones
    Devices,
    /// Flags of the compiler
    Flags,
    /// Each measure of [kernel.tailor] alone, and all together
    Tailoring,
    /// I/O schedulers on a slow disk
    Schedulers,
    /// The server in ring 0 and in ring 3, on the same kernel
    Kml,
}

/// What `appliance profile` takes.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// The directory of a build
    #[command(flatten)]
    pub out: Out,
    /// keepalive, connect, http2, crawl, or a file with a path or URL on each line
    #[arg(
        long, default_value = "keepalive", value_name = "LOAD | FILE",
        value_hint = ValueHint::FilePath
    )]
    pub load: String,
    /// Write it too: a page FILE.html, or a directory with the page, the JSON and
    /// the text
    #[arg(short, long, value_name = "FILE.html | DIR", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_80_columns() {
        let mut command = Cli::command();
        command.build();
        for sub in command.get_subcommands_mut() {
            for line in sub.render_long_help().to_string().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", sub.get_name());
            }
        }
    }
}
