//! WASI as guests see it.
#![cfg(test)]

mod functions;
mod start;
mod support;
