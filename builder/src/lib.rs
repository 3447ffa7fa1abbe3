//! From `appliance.toml` to a bootable image, in one direction:
//! [`spec`] is what the user wrote, [`plan`] what follows from it for one
//! target, and [`build`] the recipe that carries the plan out.

pub mod bench;
pub mod build;
pub mod cache;
pub mod check;
pub mod clean;
pub mod cli;
pub mod disk;
pub mod doctor;
pub mod export;
pub mod generate;
pub mod home;
pub mod inspect;
pub mod lint;
pub mod manifest;
pub mod new;
pub mod plan;
pub mod progress;
pub mod report;
pub mod run;
pub mod sources;
pub mod spec;
pub mod target;
pub mod text;
pub mod variant;
