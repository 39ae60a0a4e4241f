//! Helpers of the tests.

pub mod guests;
