//! The functions as the core of wasi-ffi calls them: arguments, results, statuses, bounds.
#![cfg(test)]

#[cfg(feature = "compression")]
mod compression;
#[cfg(feature = "expressions")]
mod expressions;
#[cfg(feature = "expressions")]
mod guests;
#[cfg(feature = "expressions")]
mod hostile;
#[cfg(feature = "signatures")]
mod signatures;
mod state;
mod support;
