//! From `appliance.toml` to a bootable image, in one direction:
//! [`spec`] is what the user wrote, [`plan`] what follows from it for one
//! target, and [`build`] the recipe that carries the plan out.

pub mod cache;
pub mod manifest;
pub mod progress;
pub mod spec;
pub mod text;
