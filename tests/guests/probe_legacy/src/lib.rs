//! Makes the hostcalls that a request asks for, and reports every callback with its arguments and every hostcall with its status and
//! data, in order (Proxy-Wasm ABI 0.2.1, without an SDK).
//!
//! What it does is a script, in the request header `x-probe`, or in its configuration for its own callbacks and for byte streams; see
//! [`script`]. What it reports are log lines that begin with the value of the request header `x-case`; see [`report`].

mod callbacks;
mod hostcalls;
mod report;
mod script;
mod state;
mod text;
