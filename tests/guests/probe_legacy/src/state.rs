//! What the probe knows of its streams.

use crate::script::Script;
use crate::{hostcalls, report, text};
use std::cell::{Cell, RefCell};

/// All contexts of this instance.
#[derive(Default)]
pub(crate) struct State {
    contexts: Vec<Context>,
    /// Variables.
    variables: Vec<(String, u32)>,
    /// What callbacks name by ids.
    ids: Vec<Id>,
    /// The stream that has set a tick.
    ticks: u32,
}

/// A stream, or the plugin.
struct Context {
    id: u32,
    root: u32,
    /// The case that it is of; none before one is known.
    case: Option<String>,
    /// Lines from before the case was known.
    early: Vec<String>,
    script: Script,
}

/// Something that a callback names.
struct Id {
    /// The name of its variable.
    name: String,
    id: u32,
    /// Whether it is a queue; otherwise it is a callout.
    is_queue: bool,
    /// The stream that has it.
    owner: u32,
}

/// What the allocator does.
#[derive(Clone, Copy)]
pub(crate) enum Allocator {
    Works,
    Null,
    Far,
    Traps,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
    pub(crate) static ALLOCATOR: Cell<Allocator> = const { Cell::new(Allocator::Works) };
}

/// Runs a callback. The state is borrowed meanwhile, as in plugins of the SDK for Rust: a host that calls back too early traps.
pub(crate) fn with<T>(run: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| run(&mut state.borrow_mut()))
}

impl State {
    /// A context is created.
    pub(crate) fn create(&mut self, id: u32, parent: u32) {
        let mut context = Context {
            id,
            root: if parent == 0 { id } else { parent },
            case: None,
            early: Vec::new(),
            script: Script::default(),
        };
        if parent == 0 {
            context.case = Some("root".to_owned());
            context.script = Script::parse(&hostcalls::configuration());
        }
        self.contexts.push(context);
    }

    /// A context is deleted. Its script stays for callouts that outlive it.
    pub(crate) fn delete(&mut self, id: u32) {
        self.announce(id);
    }

    /// Runs the steps of a callback, and returns what it is to return, if they say so.
    pub(crate) fn enter(&mut self, id: u32, callback: &str, arguments: &[u32]) -> Option<u32> {
        self.enter_for(id, id, callback, arguments)
    }

    /// The same, for a callback that names an id: it is of the stream that has the id.
    pub(crate) fn enter_with_id(&mut self, root: u32, callback: &str, arguments: &[u32]) {
        let id = arguments[0];
        let owner = self.find(callback, id).map_or(root, |known| known.owner);
        self.enter_for(root, owner, callback, arguments);
    }

    /// The same, for a tick.
    pub(crate) fn tick(&mut self, root: u32) {
        let owner = if self.ticks == 0 { root } else { self.ticks };
        self.enter_for(root, owner, "tick", &[]);
    }

    fn enter_for(&mut self, id: u32, owner: u32, callback: &str, arguments: &[u32]) -> Option<u32> {
        self.look(owner, callback);
        let is_of_plugin = self.root_of(id) == id;
        let mut names = vec![if is_of_plugin { "root" } else { "stream" }.to_owned()];
        for (index, argument) in arguments.iter().enumerate() {
            let known = if index == 0 {
                self.find(callback, *argument)
            } else {
                None
            };
            names.push(known.map_or_else(|| argument.to_string(), |known| known.name.clone()));
        }
        self.line(owner, format!("{callback}({})", names.join(",")));
        let steps = match self.contexts.iter_mut().find(|context| context.id == owner) {
            Some(context) => context.script.enter(callback),
            None => Vec::new(),
        };
        let mut result = None;
        for words in steps {
            let text = words.join(" ");
            match words[0].as_str() {
                "return" => {
                    self.line(owner, format!("  {text}"));
                    result = Some(self.number(owner, words.get(1).map_or("0", String::as_str)));
                }
                "let" => {
                    let value = self.number(owner, words.get(2).map_or("0", String::as_str));
                    self.variables.push((words[1].clone(), value));
                }
                "trap" | "loop" | "bomb" => {
                    self.line(owner, format!("  {text}"));
                    fail(&words[0]);
                }
                "allocator" => {
                    self.line(owner, format!("  {text}"));
                    ALLOCATOR.set(match words.get(1).map(String::as_str) {
                        Some("null") => Allocator::Null,
                        Some("far") => Allocator::Far,
                        Some("trap") => Allocator::Traps,
                        _ => Allocator::Works,
                    });
                }
                name => {
                    if name == "set_tick_period_milliseconds" {
                        self.ticks = owner;
                    }
                    let outcome = hostcalls::call(self, owner, &words);
                    self.line(owner, format!("  {text} = {outcome}"));
                }
            }
        }
        result
    }

    /// What a word stands for.
    pub(crate) fn number(&self, owner: u32, word: &str) -> u32 {
        const NAMES: [&[&str]; 9] = [
            &["request_headers", "request_body", "request", "continue"],
            &["request_trailers", "response_body", "response", "pause"],
            &["response_headers", "downstream"],
            &["response_trailers", "upstream"],
            &["grpc_initial_metadata", "call_body"],
            &["grpc_trailing_metadata", "grpc_message"],
            &["call_headers", "vm_configuration"],
            &["call_trailers", "plugin_configuration"],
            &["foreign_arguments"],
        ];
        match word {
            "stream" => owner,
            "root" => self.root_of(owner),
            _ if word.starts_with('$') => {
                let known = self.variables.iter().rev().find(|(name, _)| name == word);
                known.map_or(0, |(_, value)| *value)
            }
            _ => match NAMES.iter().position(|names| names.contains(&word)) {
                Some(number) => number as u32,
                None => word.parse::<i64>().unwrap_or(0) as u32,
            },
        }
    }

    /// Keeps what a hostcall of a stream returned.
    pub(crate) fn keep(&mut self, owner: u32, hostcall: &str, name: &str, id: u32) {
        self.variables.push((name.to_owned(), id));
        let is_queue = hostcall == "register_shared_queue";
        if is_queue || matches!(hostcall, "http_call" | "grpc_call" | "grpc_stream") {
            self.ids.push(Id {
                name: name.to_owned(),
                id,
                is_queue,
                owner,
            });
        }
    }

    /// What the id is of, with which a callback begins.
    fn find(&self, callback: &str, id: u32) -> Option<&Id> {
        let is_queue = callback == "queue_ready";
        if !is_queue && callback != "http_call_response" && !callback.starts_with("grpc_") {
            return None;
        }
        self.ids
            .iter()
            .rev()
            .find(|known| known.id == id && known.is_queue == is_queue)
    }

    fn root_of(&self, id: u32) -> u32 {
        let context = self.contexts.iter().rev().find(|context| context.id == id);
        context.map_or(id, |context| context.root)
    }

    /// Looks for the script of a stream, as long as it has none.
    fn look(&mut self, id: u32, callback: &str) {
        let root = self.root_of(id);
        let script = self
            .name_of(root)
            .map_or("x-probe".to_owned(), |name| format!("x-probe-{name}"));
        let Some(context) = self.contexts.iter_mut().rev().find(|context| context.id == id) else {
            return;
        };
        if context.case.is_some() {
            return;
        }
        if callback == "new_connection" {
            // A byte stream: its script is the configuration.
            context.case = Some("-".to_owned());
            context.script = Script::parse(&hostcalls::configuration());
        } else {
            context.case = hostcalls::header(0, "x-case");
            context.script = Script::parse(&hostcalls::header(0, &script).unwrap_or_default());
        }
        if context.case.is_some() {
            self.announce(id);
        }
    }

    /// What the plugin is called in its configuration, by `name NAME`.
    fn name_of(&self, _root: u32) -> Option<String> {
        let steps = text::steps(&hostcalls::configuration());
        let named = steps.into_iter().find(|words| words[0] == "name")?;
        named.into_iter().nth(1)
    }

    fn line(&mut self, id: u32, text: String) {
        let prefix = self.name_of(id).map_or(String::new(), |name| format!("{name}: "));
        let text = format!("{prefix}{text}");
        match self.contexts.iter_mut().rev().find(|context| context.id == id) {
            None => report::line("?", &text),
            Some(context) => match &context.case {
                Some(case) => report::line(case, &text),
                None => context.early.push(text),
            },
        }
    }

    /// Reports what happened before the case was known.
    fn announce(&mut self, id: u32) {
        let Some(context) = self.contexts.iter_mut().rev().find(|context| context.id == id) else {
            return;
        };
        let case = context.case.get_or_insert_with(|| "-".to_owned());
        for line in context.early.drain(..) {
            report::line(case, &line);
        }
    }
}

fn fail(how: &str) {
    match how {
        "loop" => {
            let mut turns = 0_u64;
            loop {
                turns = core::hint::black_box(turns.wrapping_add(1));
            }
        }
        "bomb" => {
            let mut blocks = Vec::new();
            loop {
                blocks.push(core::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        _ => core::arch::wasm32::unreachable(),
    }
}
