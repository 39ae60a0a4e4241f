//! Store data with everything WASI needs, and a guest that passes every call on.

use proxywasm_wasi::{Wasi, WasiView};
use std::sync::Arc;
use wasi_common::guest::{GuestMemoryView, MemorySlot};
use wasi_common::{Common, CommonView, LogLevel};
use wasi_log::{Log, LogSink, LogView, MemorySink};
use wasmtime::{Engine, Instance, Linker, Module, Store, Val};

pub(crate) struct State {
    memory: MemorySlot,
    common: Common,
    log: Log,
    wasi: Wasi,
}

impl GuestMemoryView for State {
    fn memory_slot(&mut self) -> &mut MemorySlot {
        &mut self.memory
    }
}

impl CommonView for State {
    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}

impl LogView for State {
    fn log(&mut self) -> (&mut Common, &mut Log) {
        (&mut self.common, &mut self.log)
    }
}

impl WasiView for State {
    fn wasi(&mut self) -> &mut Wasi {
        &mut self.wasi
    }
}

/// A guest in its store.
pub(crate) struct Guest {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
    pub(crate) sink: Arc<MemorySink>,
}

impl Guest {
    /// Instantiates a guest; what it imports besides WASI's own functions is stubbed.
    pub(crate) fn new(wat: &str) -> wasmtime::Result<Self> {
        let engine = Engine::default();
        let module = Module::new(&engine, wat::parse_str(wat).unwrap())?;
        let mut linker = Linker::new(&engine);
        proxywasm_wasi::add_to_linker(&mut linker)?;
        proxywasm_wasi::stub_unknown_imports(&mut linker, &module)?;
        let sink = Arc::new(MemorySink::default());
        let state = State {
            memory: MemorySlot::default(),
            common: Common::default(),
            log: Log::new(Arc::clone(&sink) as Arc<dyn LogSink>, LogLevel::Trace),
            wasi: Wasi::new([("B", "two"), ("A", "1")]).unwrap(),
        };
        let mut store = Store::new(&engine, state);
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self {
            store,
            instance,
            sink,
        })
    }

    /// Calls an export with numbers of whatever types it takes.
    pub(crate) fn call(&mut self, name: &str, arguments: &[i64]) -> wasmtime::Result<i32> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let arguments: Vec<Val> = function
            .ty(&self.store)
            .params()
            .zip(arguments)
            .map(|(ty, number)| match ty {
                wasmtime::ValType::I64 => Val::I64(*number),
                _ => Val::I32(*number as i32),
            })
            .collect();
        let mut results = [Val::I32(0)];
        let results = &mut results[..function.ty(&self.store).results().len()];
        function.call(&mut self.store, &arguments, results)?;
        Ok(results.first().and_then(Val::i32).unwrap_or(0))
    }

    pub(crate) fn bytes(&mut self, address: usize, len: usize) -> Vec<u8> {
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        memory.data(&self.store)[address..address + len].to_vec()
    }

    pub(crate) fn write(&mut self, address: usize, content: &[u8]) {
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        memory.write(&mut self.store, address, content).unwrap();
    }
}

/// A guest that exports each function of `signatures` and passes calls of it on to what it imports from `module`.
pub(crate) fn passing_on(module: &str, signatures: &[(&str, &str)]) -> String {
    let mut imports = String::new();
    let mut exports = String::new();
    for (name, parameters) in signatures {
        let types: Vec<_> = parameters
            .chars()
            .map(|letter| if letter == 'l' { "i64" } else { "i32" })
            .collect();
        let types = types.join(" ");
        let result = if *name == "proc_exit" { "" } else { "(result i32)" };
        let arguments: String = (0..parameters.len())
            .map(|index| format!("(local.get {index}) "))
            .collect();
        imports += &format!("(import \"{module}\" \"{name}\" (func ${name} (param {types}) {result}))\n");
        exports +=
            &format!("(func (export \"{name}\") (param {types}) {result} (call ${name} {arguments}))\n");
    }
    format!("(module {imports} (memory (export \"memory\") 1) {exports})")
}
