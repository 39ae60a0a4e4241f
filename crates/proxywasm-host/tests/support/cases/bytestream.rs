//! wasi-bytestream.

use super::{Case, Row, case, two};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-bytestream",
        function,
        cases,
    };
    vec![
        row(
            "resume_downstream",
            vec![
                case(
                    "drive new down:abc
                    @on_downstream_data
                        resume_downstream ctx -> ok
                        return pause
                    expect out:up:abc",
                ),
                case("drive new\n@on_new_connection\nresume_downstream 99 -> bad_argument"),
                case("drive new up:x\n@on_upstream_data\nresume_downstream ctx -> invalid_operation"),
                case("drive rqh\nresume_downstream ctx -> invalid_operation"),
                of_another("resume_downstream $other -> not_allowed"),
            ],
        ),
        row(
            "resume_upstream",
            vec![
                case(
                    "drive new up:abc
                    @on_upstream_data
                        resume_upstream ctx -> ok
                        return pause
                    expect out:down:abc",
                ),
                case("drive new\n@on_new_connection\nresume_upstream 99 -> bad_argument"),
                case("drive new\n@on_new_connection\nresume_upstream ctx -> invalid_operation"),
                of_another("resume_upstream $other -> not_allowed"),
            ],
        ),
        row("close_downstream", closed("close_downstream", "out:closedown")),
        row("close_upstream", closed("close_upstream", "out:closeup")),
        row(
            "on_new_connection",
            vec![case(
                "drive new\n@on_new_connection\nexpect on_new_connection(2)\nexpect out:connect",
            )],
        ),
        row(
            "on_downstream_data",
            vec![case(
                "drive new down:abc!\n@on_downstream_data\nexpect on_downstream_data(2,3,1)",
            )],
        ),
        row(
            "on_downstream_close",
            vec![case(
                "drive new downclose\n@on_downstream_close\nexpect on_downstream_close(2,2)",
            )],
        ),
        row(
            "on_upstream_data",
            vec![case(
                "drive new up:abcd\n@on_upstream_data\nexpect on_upstream_data(2,4,0)",
            )],
        ),
        row(
            "on_upstream_close",
            vec![case(
                "drive new upclose\n@on_upstream_close\nexpect on_upstream_close(2,2)",
            )],
        ),
    ]
}

/// The cases of a function that closes a side.
fn closed(name: &str, out: &str) -> Vec<Case> {
    vec![
        case(format!(
            "drive new up:x down:x
            @on_upstream_data
                {name} ctx -> ok
                {name} ctx -> invalid_operation
            expect {out}"
        )),
        case(format!(
            "drive new\n@on_new_connection\n{name} 99 -> bad_argument"
        )),
        case(format!("drive rqh\n{name} ctx -> invalid_operation")),
        of_another(&format!("{name} $other -> not_allowed")),
    ]
}

/// A step of the second of two plugins, for which `$other` is the first plugin's context of the same stream.
fn of_another(step: &str) -> Case {
    two(format!(
        "drive new
        @on_new_connection first
            let other ctx
        @on_new_connection second
            {step}"
    ))
}
