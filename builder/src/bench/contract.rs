//! The figures against `bench/contract.toml`.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::contract::{Contract, check, update};
use bench::data::Report;
use host::write_atomically;

use crate::cli::BenchArgs;
use crate::home;

/// The contract's file in the repository.
const FILE: &str = "bench/contract.toml";

/// Compares the appliance with the contract, and tightens it, as far as asked for;
/// fails on a figure above its limit.
pub(super) fn judge(args: &BenchArgs, report: &Report) -> Result<ExitCode> {
    let (true, Some(own)) = (args.contract || args.update_contract, report.own()) else {
        return Ok(ExitCode::SUCCESS);
    };
    let path = home::repository().join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    if args.update_contract {
        let update = update(own, &text, false)?;
        write_atomically(&path, update.text.as_bytes())?;
        eprint!("{update}");
        return Ok(ExitCode::SUCCESS);
    }
    let verdict = check(own, &Contract::parse(&text)?)?;
    eprint!("{verdict}");
    Ok(if verdict.excesses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
