//! The figures against `bench/contract.toml`.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::contract::{Contract, check, update};
use bench::data::Report;
use host::{refused, write_atomically};

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
    let is_tap = report.environment.network == "tap";
    if args.update_contract {
        if !is_tap {
            return Err(refused("the limits of requests are for a tap, and there is none")
                .hint("update the contract as root")
                .into());
        }
        let update = update(own, &text, false)?;
        write_atomically(&path, update.text.as_bytes())?;
        eprint!("{update}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut contract = Contract::parse(&text)?;
    if !is_tap {
        eprintln!("notice: requests are not compared with the contract, which is for a tap");
        contract.leave_out("request");
    }
    let verdict = check(own, &contract)?;
    eprint!("{verdict}");
    Ok(if verdict.excesses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
