//! That the scenarios can be run at all; nothing here measures.

use super::*;
use std::collections::BTreeSet;

#[test]
fn names() {
    let all: Vec<_> = GROUPS.into_iter().flatten().chain(redis::SCENARIOS).collect();
    let names: BTreeSet<_> = all.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), all.len(), "each has a name of its own");
    for less in all.iter().filter_map(|scenario| scenario.less) {
        let other = find(less).unwrap_or_else(|| panic!("there is no scenario `{less}`"));
        assert_eq!(other.less, None, "{less} is measured as it is");
    }
}

/// Without those of compiled plugins, which take long to compile here, and are run by other tests.
#[test]
fn scenarios_of_scripts_run() {
    for scenario in [
        state::SCENARIOS,
        callouts::SCENARIOS,
        bytestreams::SCENARIOS,
        legacy::SCENARIOS,
    ]
    .into_iter()
    .flatten()
    {
        println!("{}", scenario.name);
        let mut body = (scenario.setup)();
        (0..2).for_each(|_| body());
    }
}
