//! The subjects that a run compares.

use anyhow::Result;
use bench::Subject;
use host::Interrupted;

use super::baseline::{Baselines, DebianKernel, NotCached, Packages};
use crate::cli::{Baseline, BenchArgs};

/// The name of the appliance among the subjects.
pub(super) const OWN: &str = "appliance";
/// That of the machine without superfluous packages.
pub(super) const PRUNED: &str = "stock-machine-pruned";
/// What ratios refer to.
pub(super) const REFERENCE: &str = "stock-kernel";

/// The baselines of a whole run.
const WHOLE: [Baseline; 3] =
    [Baseline::StockKernel, Baseline::StockMachine, Baseline::StockMachinePruned];
/// Those of a quick one.
const QUICK: [Baseline; 1] = [Baseline::StockKernel];

/// Which baselines are asked for.
pub(super) fn wanted(args: &BenchArgs) -> Vec<Baseline> {
    match &args.baseline {
        Some(given) => given.iter().copied().filter(|it| *it != Baseline::None).collect(),
        None if args.quick => QUICK.to_vec(),
        None => WHOLE.to_vec(),
    }
}

/// Prepares a baseline; says why in the place of one that cannot be had.
///
/// # Errors
/// When the user interrupts.
pub(super) fn prepare(from: &Baselines, baseline: Baseline) -> Result<Result<Subject, String>> {
    let prepared = match baseline {
        Baseline::None => return Ok(Err("nothing was asked for".into())),
        Baseline::StockKernel => from.stock_kernel(DebianKernel::Cloud, true),
        Baseline::StockKernelUnmitigated => from.stock_kernel(DebianKernel::Cloud, false),
        Baseline::StockGeneric => from.stock_kernel(DebianKernel::Generic, true),
        Baseline::StockGenericUnmitigated => from.stock_kernel(DebianKernel::Generic, false),
        Baseline::Linux61 => from.stock_kernel(DebianKernel::OldCloud, true),
        Baseline::Linux61Unmitigated => from.stock_kernel(DebianKernel::OldCloud, false),
        Baseline::Linux61Generic => from.stock_kernel(DebianKernel::OldGeneric, true),
        Baseline::Linux61GenericUnmitigated => from.stock_kernel(DebianKernel::OldGeneric, false),
        Baseline::StockMachine => from.stock_machine(Packages::Plain),
        Baseline::StockMachinePruned => from.stock_machine(Packages::Pruned),
    };
    match prepared {
        Ok(subject) => Ok(Ok(subject)),
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) if error.is::<NotCached>() => {
            Ok(Err(format!("{error}: `--baseline {}` does it", name(baseline))))
        }
        Err(error) => Ok(Err(format!("{error:#}"))),
    }
}

/// The name of a baseline on the command line.
pub(super) fn name(baseline: Baseline) -> String {
    use clap::ValueEnum;
    baseline.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
