//! What is generated from the program's own types: schema, completions, manual.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::Cli;
use crate::report::{print, say};
use crate::spec::Spec;

/// Prints the JSON schema of `appliance.toml`.
///
/// # Errors
/// When it cannot be generated.
pub fn schema() -> Result<ExitCode> {
    say!("{}", serde_json::to_string_pretty(&schemars::schema_for!(Spec))?);
    Ok(ExitCode::SUCCESS)
}

/// Prints the completion script for a shell.
///
/// # Errors
/// When it cannot be generated.
pub fn completions(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "appliance", &mut script);
    print(&String::from_utf8(script)?);
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page, with a section for each command.
///
/// # Errors
/// When it cannot be generated.
pub fn manual() -> Result<ExitCode> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands() {
        writeln!(page, ".SH {}", sub.get_name().to_uppercase())?;
        let man = clap_mangen::Man::new(sub.clone());
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    print(&String::from_utf8(page)?);
    Ok(ExitCode::SUCCESS)
}
