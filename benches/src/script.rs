//! Guests from scripts: a line is a hostcall, which has to answer `ok`.
//!
//! ```text
//! loop                                               the lines that follow, up to the end of the callback or `end`, 1000 times
//!     wasi-timer.create_timer 1000 0 &t              the address of the variable t
//!     wasi-timer.delete_timer $t                     its value
//! @proxy_on_http_call_response 4 -> 3                another callback: how many parameters it has, and what it returns, if anything
//!     wasi-http.resume_http_call arg0                the first parameter
//! ```
//!
//! Lines before the first `@` run when the bench calls the plugin. Other arguments: a number, with `L` one of 64 bits; `'text'` (an
//! iovec array of one region; for ABI 0.2.1 address and length); `none` (no regions); `headers` (those of a request, packed); `out` (a
//! place for 4 KiB).

use crate::LOOPS;
use std::fmt::Write;
use wasi_common::packed::{Layout, pack};

/// The interface that a guest is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abi {
    Component,
    Legacy,
}

/// Builds the text of one module.
struct Assembler {
    abi: Abi,
    imports: Vec<(String, String)>,
    variables: Vec<String>,
    data: String,
    next_data: usize,
    /// The callbacks that are complete, and the one that is being built.
    callbacks: String,
    body: String,
    result: String,
    in_loop: bool,
}

/// Where variables, texts and output are in the memory, and what the allocator of an older guest always returns.
const VARIABLES: usize = 16;
const DATA: usize = 1024;
const OUT: usize = 16_384;
const ALLOCATED: usize = 32_768;

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "up")];

/// The module of a script.
pub(crate) fn module(abi: Abi, script: &str) -> Vec<u8> {
    let mut assembler = Assembler {
        abi,
        imports: Vec::new(),
        variables: Vec::new(),
        data: String::new(),
        next_data: DATA,
        callbacks: String::new(),
        body: String::new(),
        result: String::new(),
        in_loop: false,
    };
    assembler.begin(match abi {
        Abi::Component => "proxy_on_custom_callback 2 -> 0",
        Abi::Legacy => "proxy_on_foreign_function 3",
    });
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        assembler.line(line);
    }
    wat::parse_str(assembler.text()).unwrap()
}

// === impl Assembler ===

impl Assembler {
    fn line(&mut self, line: &str) {
        if let Some(callback) = line.strip_prefix('@') {
            self.end();
            return self.begin(callback);
        }
        let mut words = line.split_whitespace();
        match words.next().unwrap() {
            "loop" => {
                let times = words.next().map_or(LOOPS, |times| times.parse().unwrap());
                write!(self.body, "(local.set $n (i32.const {times})) (loop $again").unwrap();
                self.in_loop = true;
            }
            "end" => self.end_loop(),
            hostcall => {
                let (values, types): (Vec<_>, Vec<_>) = words.map(|word| self.argument(word)).unzip();
                let values = values.concat();
                self.import(hostcall, &types.concat());
                write!(
                    self.body,
                    "\n(if (call ${hostcall} {values}) (then (unreachable)))"
                )
                .unwrap();
            }
        }
    }

    fn begin(&mut self, callback: &str) {
        let mut words = callback.split_whitespace();
        let (name, parameters) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let parameters = "i32 ".repeat(parameters);
        let value = words.nth(1);
        let result = value.map_or("", |_| "(result i32)");
        self.body = format!("\n(func (export \"{name}\") (param {parameters}) {result} (local $n i32)");
        self.result = value.map_or(String::new(), |value| format!("(i32.const {value})"));
    }

    fn end(&mut self) {
        self.end_loop();
        self.callbacks = format!("{}{}{})", self.callbacks, self.body, self.result);
    }

    fn end_loop(&mut self) {
        if std::mem::take(&mut self.in_loop) {
            self.body
                .push_str("(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))");
        }
    }

    fn import(&mut self, hostcall: &str, types: &str) {
        if self.imports.iter().all(|(name, _)| name != hostcall) {
            let (module, name) = hostcall.split_once('.').unwrap();
            let import =
                format!("(import \"{module}\" \"{name}\" (func ${hostcall} (param {types}) (result i32)))\n");
            self.imports.push((hostcall.to_owned(), import));
        }
    }

    /// What an argument is in the text format, and its types.
    fn argument(&mut self, word: &str) -> (String, &'static str) {
        let word_at = |at: usize| (format!("(i32.const {at})"), "i32 ");
        let two =
            |first: usize, second: usize| (format!("(i32.const {first}) (i32.const {second})"), "i32 i32 ");
        if let Some(text) = word.strip_prefix('\'') {
            let (at, size) = self.region(text.trim_end_matches('\'').as_bytes());
            return two(at, size);
        }
        if let Some(name) = word.strip_prefix('&') {
            return word_at(self.variable(name));
        }
        if let Some(name) = word.strip_prefix('$') {
            let at = self.variable(name);
            return (format!("(i32.load (i32.const {at}))"), "i32 ");
        }
        if let Some(index) = word.strip_prefix("arg") {
            return (format!("(local.get {index})"), "i32 ");
        }
        if let Some(number) = word.strip_suffix('L') {
            return (format!("(i64.const {number})"), "i64 ");
        }
        match word {
            "none" => two(0, 0),
            "out" => {
                let iovec = self.iovec(OUT, 4096);
                two(iovec, 1)
            }
            "headers" => {
                let layout = match self.abi {
                    Abi::Component => Layout::Flat,
                    Abi::Legacy => Layout::NulTerminated,
                };
                let pairs = HEADERS
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                let mut block = Vec::new();
                pack(pairs, layout, &mut block);
                let (at, size) = self.region(&block);
                two(at, size)
            }
            number => word_at(number.parse().unwrap()),
        }
    }

    /// Bytes, as the interface hands them over.
    fn region(&mut self, bytes: &[u8]) -> (usize, usize) {
        let at = self.place(bytes);
        match self.abi {
            Abi::Component => (self.iovec(at, bytes.len()), 1),
            Abi::Legacy => (at, bytes.len()),
        }
    }

    fn iovec(&mut self, at: usize, size: usize) -> usize {
        let words = [at, size].map(|word| (word as u32).to_le_bytes());
        self.place(&words.concat())
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        let at = self.next_data;
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        writeln!(self.data, "(data (i32.const {at}) \"{escaped}\")").unwrap();
        self.next_data = (at + bytes.len()).next_multiple_of(8);
        at
    }

    fn variable(&mut self, name: &str) -> usize {
        let known = self.variables.iter().position(|other| other == name);
        let index = known.unwrap_or_else(|| {
            self.variables.push(name.to_owned());
            self.variables.len() - 1
        });
        VARIABLES + 8 * index
    }

    fn text(mut self) -> String {
        self.end();
        let marker = match self.abi {
            Abi::Component => "proxy_abi_version_2021_04",
            Abi::Legacy => "proxy_abi_version_0_2_1",
        };
        let imports: String = self.imports.iter().map(|(_, import)| import.as_str()).collect();
        format!(
            r#"(module {imports}
            (memory (export "memory") 1)
            (func (export "{marker}"))
            (func (export "malloc") (param i32) (result i32) (i32.const {ALLOCATED}))
            {}{})"#,
            self.data, self.callbacks
        )
    }
}
