//! This version of `proxy-wasm` does not say from which module its hostcalls are imported, and relies on the linker taking what is
//! undefined for an import from `env`.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=--allow-undefined");
}
