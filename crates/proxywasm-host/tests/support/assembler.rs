//! Guests from scripts: each line of a script is a hostcall with its arguments and the status it must answer.
//!
//! ```text
//! drive rqh! tick                      what happens to the host, see `world.rs`
//! @on_http_request_headers             the callback in which the lines that follow run; this one is the default
//!   create_timer 10 1 &t -> ok         the address of the variable t
//!   check $t 1                         the value of the variable t
//!   let c ctx                          sets the variable c
//!   return pause                       what the callback returns; by default forward, true or 0
//! @on_timer_ready
//!   delete_timer $t -> ok
//! expect on_timer_ready(1)             what the trace of callbacks has to contain
//! ```
//!
//! Arguments: a number; `'text'` (an iovec array of one region; for ABI 0.2.1 address and length); `['a','b']` (several regions);
//! `none` (no regions); `out` and `out:N` (a place for N bytes of output; `expect_out 'text'` compares it, `\xx` is a byte); `bad` (regions
//! outside of the memory); `&name`, `$name` (a variable); `&bad` (no address); `ctx` (first parameter of the callback), `arg1` and so on
//! (the others); `$first`, `$second` (the plugins, in the order in which they started). `@callback second` runs only for the second plugin.

use crate::catalogue::{Function, LEGACY_STATUSES, STATUSES};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A script, parsed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Script {
    pub(crate) drive: String,
    pub(crate) expect: Vec<String>,
    pub(crate) sections: Vec<Section>,
}

/// The lines of one callback.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) callback: String,
    /// 1 or 2 where it is only for one of two plugins.
    pub(crate) plugin: Option<u32>,
    pub(crate) lines: Vec<String>,
}

/// Builds the text of one module.
struct Assembler<'a> {
    functions: &'a [Function],
    /// The component whose functions go before others of the same name.
    home: &'a str,
    legacy: bool,
    /// Bytes at their places.
    data: BTreeMap<u32, Vec<u8>>,
    next_data: u32,
    variables: Vec<String>,
    imports: BTreeMap<String, Function>,
    steps: usize,
}

/// What the host calls before any callback; it has no parameters.
pub(crate) const INITIALIZE: &str = "_initialize";
/// Where output goes, and how much fits.
const OUT: u32 = 40_000;
const OUT_SIZE: u32 = 4096;
/// Where variables and what scripts write out are.
const VARIABLES: u32 = 1024;
const DATA: u32 = 4096;
/// The plugin of each context.
const PLUGINS: u32 = 60_000;

// === impl Script ===

impl Script {
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(drive) = line.strip_prefix("drive ") {
                script.drive = drive.to_owned();
            } else if let Some(expect) = line.strip_prefix("expect ") {
                script.expect.push(expect.to_owned());
            } else if let Some(callback) = line.strip_prefix('@') {
                let mut words = callback.split_whitespace();
                script.sections.push(Section {
                    callback: words.next().unwrap_or_default().to_owned(),
                    plugin: words.next().map(|word| match word {
                        "first" => 1,
                        "second" => 2,
                        other => panic!("a section is for the first or the second plugin, not {other}"),
                    }),
                    lines: Vec::new(),
                });
            } else {
                if script.sections.is_empty() {
                    script.sections.push(Section {
                        callback: String::new(),
                        plugin: None,
                        lines: Vec::new(),
                    });
                }
                let section = script.sections.last_mut().unwrap();
                section.lines.push(line.to_owned());
            }
        }
        script
    }

    /// The statuses that calls of a function answer in it.
    pub(crate) fn shown(&self, function: &str) -> Vec<String> {
        let lines = self.sections.iter().flat_map(|section| &section.lines);
        let calls = lines.filter(|line| {
            let name = line.split_whitespace().next().unwrap_or_default();
            name.rsplit('.').next() == Some(function)
        });
        calls
            .filter_map(|line| Some(line.split_once("->")?.1.trim().to_owned()))
            .collect()
    }

    /// The module.
    pub(crate) fn module(&self, functions: &[Function], home: &str, legacy: bool) -> String {
        Assembler {
            functions,
            home,
            legacy,
            data: BTreeMap::new(),
            next_data: DATA,
            variables: ["first", "second"].map(str::to_owned).to_vec(),
            imports: BTreeMap::new(),
            steps: 0,
        }
        .module(self)
    }
}

// === impl Assembler ===

impl Assembler<'_> {
    fn module(mut self, script: &Script) -> String {
        let default = if self.legacy {
            "proxy_on_request_headers"
        } else {
            "on_http_request_headers"
        };
        let mut bodies: BTreeMap<String, String> = BTreeMap::new();
        for section in &script.sections {
            let name = match section.callback.as_str() {
                "" => default,
                name => name,
            };
            let body = self.section(section);
            bodies.entry(name.to_owned()).or_default().push_str(&body);
        }
        for always in ["on_plugin_start", "on_context_create", "proxy_on_context_create"] {
            let of_legacy = always.starts_with("proxy_");
            if of_legacy == self.legacy {
                bodies.entry(always.to_owned()).or_default();
            }
        }
        let mut callbacks = String::new();
        for (name, body) in &bodies {
            callbacks.push_str(&self.callback(name, body));
        }
        let (log, log_type) = if self.legacy {
            ("\"env\" \"proxy_log\"", "i32 i32 i32")
        } else {
            ("\"wasi-log\" \"log\"", "i32 i32 i32")
        };
        let mut imports = format!("(import {log} (func $log (param {log_type}) (result i32)))");
        for (id, function) in &self.imports {
            let (parameters, result) = (
                types(&function.parameters),
                if function.returns { "(result i32)" } else { "" },
            );
            let Function { module, name, .. } = function;
            write!(
                imports,
                "\n(import \"{module}\" \"{name}\" (func ${id} (param {parameters}) {result}))"
            )
            .unwrap();
        }
        let mut data = String::new();
        for (at, bytes) in &self.data {
            let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            write!(data, "\n(data (i32.const {at}) \"{escaped}\")").unwrap();
        }
        let marker = if self.legacy {
            "proxy_abi_version_0_2_1"
        } else {
            "proxy_abi_version_2021_04"
        };
        let print = if self.legacy {
            "(call $log (i32.const 2) (i32.const 512) (i32.sub (local.get $end) (i32.const 512)))"
        } else {
            "(i32.store (i32.const 496) (i32.const 512))
             (i32.store (i32.const 500) (i32.sub (local.get $end) (i32.const 512)))
             (call $log (i32.const 2) (i32.const 496) (i32.const 1))"
        };
        format!(
            r#"(module {imports}
            (memory (export "memory") 2)
            (global $heap (mut i32) (i32.const 70000))
            (global $at (mut i32) (i32.const 512))
            (func (export "{marker}"))
            (func (export "malloc") (param $size i32) (result i32) (local $at i32)
                (local.set $at (global.get $heap))
                (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
                (local.get $at))
            {data}
            ;; what is logged is built at 512
            (func $byte (param $byte i32)
                (i32.store8 (global.get $at) (local.get $byte)) (global.set $at (i32.add (global.get $at) (i32.const 1))))
            (func $digits (param $value i32)
                (if (i32.ge_u (local.get $value) (i32.const 10)) (then (call $digits (i32.div_u (local.get $value) (i32.const 10)))))
                (call $byte (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10)))))
            (func $text (param $from i32) (param $len i32)
                (memory.copy (global.get $at) (local.get $from) (local.get $len))
                (global.set $at (i32.add (global.get $at) (local.get $len))))
            (func $flush (local $end i32)
                (local.set $end (global.get $at)) (global.set $at (i32.const 512))
                (drop {print_call}))
            ;; a step went otherwise than expected: `wrong 3:5` is step 3, which answered 5
            (func $wrong (param $step i32) (param $got i32)
                (call $text (i32.const 480) (i32.const 6)) (call $digits (local.get $step)) (call $byte (i32.const 58))
                (call $digits (local.get $got)) (call $flush))
            (func $differs (param $a i32) (param $b i32) (param $len i32) (result i32)
                (block $end (loop $next
                    (br_if $end (i32.eqz (local.get $len)))
                    (if (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))) (then (return (i32.const 1))))
                    (local.set $a (i32.add (local.get $a) (i32.const 1)))
                    (local.set $b (i32.add (local.get $b) (i32.const 1)))
                    (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                    (br $next)))
                (i32.const 0))
            (data (i32.const 480) "wrong ")
            {callbacks})"#,
            print_call = if self.legacy {
                print.to_owned()
            } else {
                format!("(block (result i32) {print})")
            },
        )
    }

    fn callback(&mut self, name: &str, body: &str) -> String {
        let function = self.find(name, true).clone();
        let prefix = if self.legacy || name == INITIALIZE {
            ""
        } else {
            "proxy_"
        };
        let mut parameters = String::new();
        let mut trace = String::new();
        let label = self.block(name.as_bytes());
        write!(
            trace,
            "(call $text (i32.const {label}) (i32.const {}))",
            name.len()
        )
        .unwrap();
        trace.push_str("(call $byte (i32.const 40))");
        for (index, kind) in function.parameters.chars().enumerate() {
            let wide = if kind == 'I' { "i64" } else { "i32" };
            write!(parameters, "(param $arg{index} {wide})").unwrap();
            if index > 0 {
                trace.push_str("(call $byte (i32.const 44))");
            }
            write!(trace, "(call $digits (local.get $arg{index}))").unwrap();
        }
        trace.push_str("(call $byte (i32.const 41)) (call $flush)");
        let books = match name {
            "on_plugin_start" => "(call $started (local.get $arg0))",
            "on_context_create" | "proxy_on_context_create" => {
                "(call $created (local.get $arg0) (local.get $arg1))"
            }
            _ => "",
        };
        let helpers = match name {
            "on_plugin_start" => STARTED.replace("VARIABLES", &VARIABLES.to_string()),
            "on_context_create" => CREATED.replace("PLUGINS", &PLUGINS.to_string()),
            // The older ABI has one callback for both.
            "proxy_on_context_create" => format!(
                "{}{}",
                STARTED.replace("VARIABLES", &VARIABLES.to_string()),
                LEGACY_CREATED.replace("PLUGINS", &PLUGINS.to_string())
            ),
            _ => String::new(),
        };
        let (result, default) = match (function.returns, name) {
            (false, _) => ("", String::new()),
            (
                true,
                "on_plugin_start" | "on_plugin_shutdown" | "proxy_on_vm_start" | "proxy_on_configure"
                | "proxy_on_done",
            ) => ("(result i32)", "(i32.const 1)".to_owned()),
            (true, _) => ("(result i32)", "(i32.const 0)".to_owned()),
        };
        format!(
            "\n(func (export \"{prefix}{name}\") {parameters} {result} (local $got i32) {trace} {books} {body} {default})\n{helpers}"
        )
    }

    fn section(&mut self, section: &Section) -> String {
        let mut body = String::new();
        for line in &section.lines {
            self.steps += 1;
            let step = self.steps;
            let words = words(line);
            let text = match words.first().map(String::as_str) {
                Some("return") => format!("(return (i32.const {}))", action(&words[1], self.legacy)),
                Some("let") => {
                    let value = self.value(&words[2], 'i');
                    format!("(i32.store (i32.const {}) {value})", self.variable(&words[1]))
                }
                Some("check") => {
                    let (actual, expected) = (self.value(&words[1], 'i'), self.value(&words[2], 'i'));
                    format!(
                        "(if (i32.ne {actual} {expected}) (then (call $wrong (i32.const {step}) {actual})))"
                    )
                }
                Some("expect_out") => {
                    let bytes = unquote(&words[1]);
                    let at = self.block(&bytes);
                    format!(
                        "(if (call $differs (i32.const {OUT}) (i32.const {at}) (i32.const {})) (then (call $wrong (i32.const {step}) (i32.load8_u (i32.const {OUT})))))",
                        bytes.len()
                    )
                }
                // The older ABI returns an address: where the first variable points to is the second text.
                Some("expect_at") => {
                    let bytes = unquote(&words[2]);
                    let at = self.block(&bytes);
                    let from = self.value(&words[1], 'i');
                    format!(
                        "(if (call $differs {from} (i32.const {at}) (i32.const {})) (then (call $wrong (i32.const {step}) (i32.const 999))))",
                        bytes.len()
                    )
                }
                _ => self.call(step, &words),
            };
            body.push_str(&text);
        }
        match section.plugin {
            Some(plugin) => format!(
                "(if (i32.eq (call $plugin_of (local.get $arg0)) (i32.load (i32.const {}))) (then {body}))",
                VARIABLES + (plugin - 1) * 8
            ),
            None => body,
        }
    }

    fn call(&mut self, step: usize, words: &[String]) -> String {
        let arrow = words.iter().position(|word| word == "->");
        let arrow = arrow.unwrap_or_else(|| panic!("`{}` has no status", words.join(" ")));
        let function = self.find(&words[0], false).clone();
        let names: &[&str] = if self.legacy { &LEGACY_STATUSES } else { &STATUSES };
        let expected = names.iter().position(|name| *name == words[arrow + 1]);
        let expected = expected.unwrap_or_else(|| panic!("no status is called {}", words[arrow + 1]));
        let mut arguments = Vec::new();
        for word in &words[1..arrow] {
            let kind = function.parameters.chars().nth(arguments.len()).unwrap_or('i');
            arguments.extend(self.argument(word, kind));
        }
        assert_eq!(
            arguments.len(),
            function.parameters.len(),
            "`{}` has a wrong number of arguments; {} takes {}",
            words.join(" "),
            function.name,
            function.parameters
        );
        let id = format!("{}.{}", function.module, function.name);
        self.imports.insert(id.clone(), function);
        format!(
            "(local.set $got (call ${id} {})) (if (i32.ne (local.get $got) (i32.const {expected})) (then (call $wrong (i32.const {step}) (local.get $got))))",
            arguments.join(" ")
        )
    }

    /// What a word stands for: one value on the wire, or two.
    fn argument(&mut self, word: &str, kind: char) -> Vec<String> {
        let constant = |number: u32| format!("(i32.const {number})");
        let pair = |a: u32, b: u32| vec![constant(a), constant(b)];
        if let Some(list) = word.strip_prefix('[') {
            let items: Vec<Vec<u8>> = split_list(list.trim_end_matches(']'));
            return pair(self.iovecs(&items), items.len() as u32);
        }
        match word {
            _ if word.starts_with('\'') => {
                let bytes = unquote(word);
                match self.legacy {
                    true => pair(self.block(&bytes), bytes.len() as u32),
                    false => pair(self.iovecs(&[bytes]), 1),
                }
            }
            "none" => pair(0, 0),
            "bad" => pair(131_064, if self.legacy { 16 } else { 2 }),
            "out" => self.output(OUT_SIZE),
            _ if word.starts_with("out:") => self.output(word[4..].parse().unwrap()),
            _ => vec![self.value(word, kind)],
        }
    }

    fn value(&mut self, word: &str, kind: char) -> String {
        let wide = if kind == 'I' { "i64" } else { "i32" };
        if word == "&bad" {
            return "(i32.const -4)".to_owned();
        }
        if let Some(name) = word.strip_prefix('&') {
            return format!("(i32.const {})", self.variable(name));
        }
        if let Some(name) = word.strip_prefix('$') {
            return format!("({wide}.load (i32.const {}))", self.variable(name));
        }
        match word {
            "ctx" => "(local.get $arg0)".to_owned(),
            _ if word.starts_with("arg") => format!("(local.get ${word})"),
            number => {
                number
                    .parse::<i64>()
                    .unwrap_or_else(|_| panic!("`{number}` is no argument"));
                format!("({wide}.const {number})")
            }
        }
    }

    fn variable(&mut self, name: &str) -> u32 {
        let known = self.variables.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.variables.push(name.to_owned());
            self.variables.len() - 1
        });
        VARIABLES + index as u32 * 8
    }

    /// Puts bytes into the memory and returns where.
    fn block(&mut self, bytes: &[u8]) -> u32 {
        let at = self.next_data;
        self.next_data += (bytes.len() as u32 + 8) & !7;
        if !bytes.is_empty() {
            self.data.insert(at, bytes.to_vec());
        }
        at
    }

    fn iovecs(&mut self, items: &[Vec<u8>]) -> u32 {
        let mut array = Vec::new();
        for item in items {
            array.extend(self.block(item).to_le_bytes());
            array.extend((item.len() as u32).to_le_bytes());
        }
        self.block(&array)
    }

    fn output(&mut self, size: u32) -> Vec<String> {
        let array = [OUT.to_le_bytes(), size.to_le_bytes()].concat();
        let at = self.block(&array);
        vec![format!("(i32.const {at})"), "(i32.const 1)".to_owned()]
    }

    fn find(&self, name: &str, is_callback: bool) -> &Function {
        let (module, name) = match name.split_once('.') {
            Some((module, name)) => (Some(format!("wasi-{module}")), name),
            None => (None, name),
        };
        let fits = |function: &&Function| {
            function.name == name
                && function.is_callback == is_callback
                && module.as_ref().is_none_or(|module| *module == function.module)
        };
        let at_home = self
            .functions
            .iter()
            .find(|function| fits(function) && function.module == self.home);
        let found = at_home.or_else(|| self.functions.iter().find(fits));
        found.unwrap_or_else(|| panic!("no function is called {name}"))
    }
}

/// The variables `first` and `second` are the plugins.
const STARTED: &str = "(func $started (param $plugin i32)
    (if (i32.eqz (i32.load (i32.const VARIABLES)))
        (then (i32.store (i32.const VARIABLES) (local.get $plugin)))
        (else (i32.store offset=8 (i32.const VARIABLES) (local.get $plugin)))))";

const CREATED: &str = "(func $created (param $context i32) (param $plugin i32)
    (i32.store (i32.add (i32.const PLUGINS) (i32.mul (local.get $context) (i32.const 4))) (local.get $plugin)))
(func $plugin_of (param $context i32) (result i32)
    (local $plugin i32)
    (local.set $plugin (i32.load (i32.add (i32.const PLUGINS) (i32.mul (local.get $context) (i32.const 4)))))
    (if (result i32) (local.get $plugin) (then (local.get $plugin)) (else (local.get $context))))";

const LEGACY_CREATED: &str = "(func $created (param $context i32) (param $parent i32)
    (if (local.get $parent)
        (then (i32.store (i32.add (i32.const PLUGINS) (i32.mul (local.get $context) (i32.const 4))) (local.get $parent)))
        (else (call $started (local.get $context)))))
(func $plugin_of (param $context i32) (result i32)
    (local $plugin i32)
    (local.set $plugin (i32.load (i32.add (i32.const PLUGINS) (i32.mul (local.get $context) (i32.const 4)))))
    (if (result i32) (local.get $plugin) (then (local.get $plugin)) (else (local.get $context))))";

fn types(parameters: &str) -> String {
    let kinds = parameters
        .chars()
        .map(|kind| if kind == 'I' { "i64 " } else { "i32 " });
    kinds.collect()
}

/// The number of an action, or a number.
fn action(word: &str, legacy: bool) -> u32 {
    const ACTIONS: [&str; 7] = [
        "forward",
        "end_stream",
        "done",
        "pause",
        "wait_for_more_data",
        "wait_for_end_or_full",
        "close",
    ];
    const LEGACY_ACTIONS: [&str; 2] = ["continue", "pause"];
    let names: &[&str] = if legacy { &LEGACY_ACTIONS } else { &ACTIONS };
    match names.iter().position(|name| *name == word) {
        Some(number) => number as u32,
        None => word.parse().unwrap_or_else(|_| panic!("`{word}` is no action")),
    }
}

/// The words of a line; quotes and brackets keep spaces.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut listed) = (false, false);
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            '[' if !quoted => listed = true,
            ']' if !quoted => listed = false,
            _ => {}
        }
        if character == ' ' && !quoted && !listed {
            words.push(String::new());
        } else {
            words.last_mut().unwrap().push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn split_list(list: &str) -> Vec<Vec<u8>> {
    list.split(',')
        .filter(|item| !item.trim().is_empty())
        .map(|item| unquote(item.trim()))
        .collect()
}

/// The bytes between quotes; `\xx` is the byte with that number in hexadecimal.
fn unquote(word: &str) -> Vec<u8> {
    let text = word.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    let text = text.unwrap_or_else(|| panic!("`{word}` is not quoted"));
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'\\' {
            let digits = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}
