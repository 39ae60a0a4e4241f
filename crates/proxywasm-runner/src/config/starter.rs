//! The file that `proxywasm init` writes.

/// A small configuration with comments, which serves once there is a plugin.
pub const STARTER: &str = include_str!("starter.yaml");
