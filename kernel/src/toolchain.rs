//! The tools that turn the source into bytes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use host::Command;

use crate::compile::FIXED;
use crate::configure::ARGUMENTS;

/// The programs whose version can change the kernel's bytes.
const TOOLS: &[&str] = &["gcc", "ld", "make", "zstd"];

/// What decides the kernel's bytes beside its source and configuration, for the
/// key of a cached kernel: the versions of the tools by name, and what make is told.
///
/// # Errors
/// When a tool is not installed or does not say its version.
pub fn toolchain_id() -> Result<BTreeMap<String, String>> {
    let arguments = [&ARGUMENTS[..], &FIXED].concat().join(" ");
    let tools = TOOLS.iter().map(|tool| Ok(((*tool).to_owned(), version(tool)?)));
    tools.chain([Ok(("make arguments".to_owned(), arguments))]).collect()
}

fn version(tool: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg("--version")
        .output()
        .with_context(|| format!("asking {tool} for its version"))?;
    let text = String::from_utf8_lossy(&output);
    let line = text.lines().next().with_context(|| format!("{tool} --version says nothing"))?;
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_missing_is_named() {
        let error = version("no-such-tool").unwrap_err();
        assert!(format!("{error:#}").contains("`no-such-tool` is not installed"), "{error:#}");
    }
}
