//! The `appliance` command.

use std::process::ExitCode;

use anyhow::Result;
use appliance::cli::{Cli, Command};
use appliance::{
    bench, build, check, clean, doctor, export, generate, inspect, lint, new, report, run,
};
use clap::Parser;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error),
    };
    match host::catch_interrupts().map_err(Into::into).and_then(|()| execute(cli.command)) {
        Ok(code) => code,
        Err(error) => report::error(&error),
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::New { dir } => new::command(&dir),
        Command::Build(args) => build::command(&args),
        Command::Run(args) => run::command(&args),
        Command::Test { out, json } => check::command(&out.path, json),
        Command::Bench(args) => bench::command(&args),
        Command::Profile(args) => bench::profile(&args),
        Command::Inspect { image, json } => inspect::command(&image, json),
        Command::Export(args) => export::command(&args),
        Command::Lint { file, rules, json } => lint::command(file.as_deref(), rules, json),
        Command::Doctor { json } => doctor::command(json),
        Command::Clean { sources, dry_run } => clean::command(sources, dry_run),
        Command::Schema => generate::schema(),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man => generate::manual(),
    }
}
