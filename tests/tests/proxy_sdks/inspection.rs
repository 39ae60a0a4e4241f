//! What `proxywasm inspect` tells of the plugins of all SDKs.

use proxywasm_host::{Engine, EngineSettings};
use proxywasm_runner::inspect::{Conclusion, Inspection};
use proxywasm_tests::guests::{
    self, SDK_ASSEMBLYSCRIPT, SDK_CPP, SDK_GO, SDK_RUST, SDK_RUST01, STORE_COMPONENT, STORE_LEGACY,
};

#[test]
fn abi_toolchain_and_sdk_are_told() {
    let engine = Engine::new(EngineSettings::default()).unwrap();
    // The plugins in Go and C++ declare the hostcalls themselves.
    for (guest, abi, toolchain, sdk) in [
        (
            SDK_RUST,
            "ABI 0.2.1",
            "Rust (wasm32-unknown-unknown)",
            Some("the crate proxy-wasm 0.2"),
        ),
        (
            SDK_RUST01,
            "ABI 0.1.0",
            "Rust (wasm32-unknown-unknown)",
            Some("the crate proxy-wasm 0.1"),
        ),
        (SDK_GO, "ABI 0.2.0", "Go", None),
        (SDK_CPP, "ABI 0.2.1", "C or C++", None),
        (
            SDK_ASSEMBLYSCRIPT,
            "ABI 0.2.0",
            "AssemblyScript",
            Some("@solo-io/proxy-runtime"),
        ),
        (
            STORE_LEGACY,
            "ABI 0.2.1",
            "Rust (wasm32-unknown-unknown)",
            Some("the crate proxy-wasm 0.2"),
        ),
        (
            STORE_COMPONENT,
            "component ABI (2021-04)",
            "Rust (wasm32-unknown-unknown)",
            Some("proxywasm-sdk"),
        ),
    ] {
        let inspection = Inspection::of(&engine, &guests::load(guest));
        let origin = inspection.origin;
        assert_eq!(inspection.abi.as_deref(), Some(abi), "{guest}");
        let name = |conclusion: Option<Conclusion>| conclusion.map(|it| it.name);
        assert_eq!(name(origin.toolchain).as_deref(), Some(toolchain), "{guest}");
        assert_eq!(name(origin.sdk).as_deref(), sdk, "{guest}");
        assert_eq!(inspection.refused, [""; 0], "{guest}");
    }
}
