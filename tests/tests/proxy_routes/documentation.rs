//! What the documentation of routing shows can be used.

use proxywasm_runner::config::ConfigFile;
use std::path::Path;

#[test]
fn configurations_are_valid() {
    let page = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ROUTING.md"));
    let text = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 5);
    for block in blocks {
        // A part of a file is shown without the listener that each file needs.
        let whole = if block.contains("listeners:") {
            block.to_owned()
        } else {
            format!("{block}\nlisteners: [{{ address: 127.0.0.1:0 }}]\n")
        };
        if let Err(error) = ConfigFile::parse(page, whole) {
            panic!("{error}");
        }
    }
}
