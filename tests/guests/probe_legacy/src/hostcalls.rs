//! The hostcalls, and how a step becomes one.
//!
//! A hostcall is called by its name without `proxy_`. Its arguments are words:
//!
//! | kind | word |
//! |---|---|
//! | `i` | a number, the name of an enumerator such as `request_headers`, a variable `$name`, `stream` or `root` |
//! | `l` | a number of 64 bits |
//! | `s` | `'text'`, `none`, or `bad` for addresses outside of the memory |
//! | `m` | `[name=value, name=value]`, or as `s` |
//! | `B` | no word: bytes are returned. `_` reports only how many, `bad` gives no valid address to return them by |
//! | `M` | the same for a packed map |
//! | `u`, `U` | no word: 32 or 64 bits are returned. `$name` keeps an id, `_` reports nothing, `bad` as for `B` |

use crate::state::State;
use crate::{report, text};

macro_rules! hostcalls {
    ($($name:ident $kinds:literal ($($parameter:ident)*);)*) => {
        #[link(wasm_import_module = "env")]
        unsafe extern "C" {
            $(fn $name($($parameter: u32),*) -> u32;)*
        }

        fn kinds(name: &str) -> Option<&'static str> {
            match format!("proxy_{name}").as_str() {
                $(stringify!($name) => Some($kinds),)*
                "proxy_increment_metric" | "proxy_record_metric" => Some("il"),
                _ => None,
            }
        }

        fn enter(name: &str, words: &[u32]) -> u32 {
            let mut words = words.iter().copied();
            let mut next = || words.next().unwrap_or(0);
            match format!("proxy_{name}").as_str() {
                $(stringify!($name) => {
                    $(let $parameter = next();)*
                    // SAFETY: a host checks every address.
                    unsafe { $name($($parameter),*) }
                })*
                _ => {
                    let (id, low, high) = (next(), next(), next());
                    let value = (u64::from(high) << 32 | u64::from(low)) as i64;
                    // SAFETY: no address is given.
                    unsafe {
                        match name {
                            "increment_metric" => proxy_increment_metric(id, value),
                            _ => proxy_record_metric(id, value),
                        }
                    }
                }
            }
        }
    };
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: i64) -> u32;
}

hostcalls! {
    proxy_log "is" (a b c);
    proxy_get_log_level "u" (a);
    proxy_get_current_time_nanoseconds "U" (a);
    proxy_set_tick_period_milliseconds "i" (a);
    proxy_get_configuration "B" (a b);
    proxy_get_status "uB" (a b c);
    proxy_get_property "sB" (a b c d);
    proxy_set_property "ss" (a b c d);
    proxy_get_buffer_bytes "iiiB" (a b c d e);
    proxy_get_buffer_status "iuu" (a b c);
    proxy_set_buffer_bytes "iiis" (a b c d e);
    proxy_get_header_map_size "iu" (a b);
    proxy_get_header_map_pairs "iM" (a b c);
    proxy_set_header_map_pairs "im" (a b c);
    proxy_get_header_map_value "isB" (a b c d e);
    proxy_add_header_map_value "iss" (a b c d e);
    proxy_replace_header_map_value "iss" (a b c d e);
    proxy_remove_header_map_value "is" (a b c);
    proxy_continue_stream "i" (a);
    proxy_close_stream "i" (a);
    proxy_continue_request "" ();
    proxy_continue_response "" ();
    proxy_clear_route_cache "" ();
    proxy_send_local_response "issmi" (a b c d e f g h);
    proxy_http_call "smsmiu" (a b c d e f g h i j);
    proxy_grpc_call "sssmsiu" (a b c d e f g h i j k l);
    proxy_grpc_stream "sssmu" (a b c d e f g h i);
    proxy_grpc_send "isi" (a b c d);
    proxy_grpc_cancel "i" (a);
    proxy_grpc_close "i" (a);
    proxy_get_shared_data "sBu" (a b c d e);
    proxy_set_shared_data "ssi" (a b c d e);
    proxy_register_shared_queue "su" (a b c);
    proxy_resolve_shared_queue "ssu" (a b c d e);
    proxy_enqueue_shared_queue "is" (a b c);
    proxy_dequeue_shared_queue "iB" (a b c);
    proxy_define_metric "isu" (a b c d);
    proxy_get_metric "iU" (a b);
    proxy_set_effective_context "i" (a);
    proxy_done "" ();
    proxy_call_foreign_function "ssB" (a b c d e f);
}

/// An address and a size that no memory has.
const BAD: (u32, u32) = (0xffff_fff0, 0x20);

/// A place for what a hostcall returns.
struct Output {
    kind: char,
    place: Box<[u32; 2]>,
    word: Option<String>,
}

/// Writes a log line.
pub(crate) fn log(line: &str) {
    // SAFETY: the address is of this string.
    unsafe { proxy_log(2, line.as_ptr() as u32, line.len() as u32) };
}

/// A header, or nothing.
pub(crate) fn header(map: u32, name: &str) -> Option<String> {
    let mut place = [0_u32; 2];
    let address = place.as_mut_ptr() as u32;
    // SAFETY: the addresses are of this function's locals.
    let status = unsafe {
        proxy_get_header_map_value(map, name.as_ptr() as u32, name.len() as u32, address, address + 4)
    };
    (status == 0 && place[0] != 0).then(|| String::from_utf8_lossy(&take(place)).into_owned())
}

/// The configuration.
pub(crate) fn configuration() -> String {
    let mut place = [0_u32; 2];
    let address = place.as_mut_ptr() as u32;
    // SAFETY: the addresses are of this function's locals.
    unsafe { proxy_get_buffer_bytes(7, 0, u32::MAX, address, address + 4) };
    String::from_utf8_lossy(&take(place)).into_owned()
}

/// Makes the hostcall of a step, and says what came of it.
pub(crate) fn call(state: &mut State, owner: u32, words: &[String]) -> String {
    let name = words[0].as_str();
    let Some(kinds) = kinds(name) else {
        return "no hostcall".to_owned();
    };
    let (mut arguments, mut alive, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    let mut words = words[1..].iter().peekable();
    for kind in kinds.chars() {
        if "BMuU".contains(kind) {
            let is_option =
                |word: &&String| matches!(word.as_str(), "_" | "bad") || kind == 'u' && word.starts_with('$');
            let word = words.next_if(is_option).cloned();
            let place = Box::new([0_u32; 2]);
            let address = match word.as_deref() {
                Some("bad") => BAD.0,
                _ => place.as_ptr() as u32,
            };
            arguments.push(address);
            if "BM".contains(kind) {
                arguments.push(address.wrapping_add(4));
            }
            outputs.push(Output { kind, place, word });
            continue;
        }
        let word = words.next().cloned().unwrap_or_default();
        match kind {
            'i' => arguments.push(state.number(owner, &word)),
            'l' => {
                let number = word.parse::<i64>().unwrap_or(0);
                arguments.extend([number as u32, (number >> 32) as u32]);
            }
            _ if word == "bad" => arguments.extend([BAD.0, BAD.1]),
            _ if word == "none" => arguments.extend([0, 0]),
            _ => {
                let bytes = if kind == 'm' {
                    text::pack(&word)
                } else {
                    text::unquote(&word)
                };
                arguments.extend([bytes.as_ptr() as u32, bytes.len() as u32]);
                alive.push(bytes);
            }
        }
    }
    let status = enter(name, &arguments);
    drop(alive);
    let mut result = report::status(status);
    for output in outputs.into_iter().filter(|_| status == 0) {
        result.push(' ');
        result.push_str(&returned(state, owner, name, output));
    }
    result
}

fn returned(state: &mut State, owner: u32, hostcall: &str, output: Output) -> String {
    let place = *output.place;
    let number = u64::from(place[1]) << 32 | u64::from(place[0]);
    match (output.kind, output.word.as_deref()) {
        ('B' | 'M', Some(_)) => format!("({} bytes)", take(place).len()),
        ('B' | 'M', None) if place[0] == 0 => format!("null ({} bytes)", place[1]),
        ('B', None) => text::quote(&take(place)),
        ('M', None) => text::unpack(&take(place)),
        (_, Some("_")) => "_".to_owned(),
        (_, Some(name)) => {
            state.keep(owner, hostcall, name, place[0]);
            name.to_owned()
        }
        ('U', None) => number.to_string(),
        (_, None) => place[0].to_string(),
    }
}

/// The bytes of a block that the host has allocated.
fn take(place: [u32; 2]) -> Vec<u8> {
    if place[0] == 0 {
        return Vec::new();
    }
    let len = place[1] as usize;
    // SAFETY: the host got the block from `proxy_on_memory_allocate`, which gave it this size.
    unsafe { Vec::from_raw_parts(place[0] as *mut u8, len, len.max(1)) }
}
