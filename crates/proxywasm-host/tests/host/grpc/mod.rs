//! gRPC callouts: plugins that call and open streams, and a driver that answers by a script.
//!
//! A script is a list of events. `rqh` opens a stream and sends its request headers, `end1` finishes stream 1. `1i` is the metadata that
//! begins the answer to callout 1, `1m:abc` a message, `1e` its end with metadata, `1e:5` one with status 5 and without metadata, `1s:3`
//! says that a message of 3 bytes has been sent. `late` is a deadline an hour from now, `down` shuts all plugins down.
//!
//! What happens is written the same way: `>1` a unary call or `>>1` a stream is to be begun, `1<abc` a message to be sent, with `!` the
//! last thing, `x1` a callout to be cancelled, `r1` to be read on; `s1=rqh!` an output of stream 1. The rest is what the plugin logs:
//! `A1:0,3` the answer to a unary call with its status and size, `I1:2`, `M1:3`, `T1:1`, `C1:0` the callbacks of a stream, `=4` a
//! status, `"abc"` a message, `5"reason"` how a callout ended.

mod bounds;
mod callbacks;
mod driver;
