//! The life of the process besides serving: another one takes its place, systemd is told, it ends.

mod begin;
mod health;
mod predecessor;
mod program;
mod restart;
mod stop;
mod successor;
pub(crate) mod systemd;

pub(crate) use begin::{Start, begin};
pub(crate) use health::health;
pub(crate) use restart::Restarts;
pub(crate) use stop::stop;
