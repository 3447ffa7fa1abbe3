//! The `appliance` command.
fn main() {}
