//! The host core, driven by scripts over plugins in the text format and over the prebuilt sample plugins: one binary, a file for
//! each concern.
#![cfg(test)]

mod actions;
mod background;
mod bytestreams;
mod cache;
mod callouts;
mod chains;
mod common;
mod failures;
mod figures;
mod functions;
mod grpc;
mod hostcalls;
mod legacy;
mod lifecycle;
mod loading;
mod maps;
mod metrics;
mod pauses;
mod profiles;
mod queues;
mod responses;
mod review;
mod stores;
mod timers;
mod versions;
