//! Helpers of the tests.

pub mod guests;
pub mod harness;
