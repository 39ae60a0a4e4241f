//! wasi-log.

use super::{Row, case};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-log",
        function,
        cases,
    };
    vec![
        row(
            "log",
            vec![
                case("log 2 'hello' -> ok\nexpect hello"),
                case("log 2 ['hel','lo'] -> ok\nexpect hello"),
                case("log 0 'below the level' -> ok"),
                case("log 6 'x' -> bad_argument"),
                case("log 2 bad -> invalid_memory_access"),
            ],
        ),
        row(
            "get_log_level",
            vec![
                case("get_log_level &level -> ok\ncheck $level 2"),
                case("drive level:error rqh\nget_log_level &level -> ok\ncheck $level 4"),
                case("get_log_level &bad -> invalid_memory_access"),
            ],
        ),
        row(
            "on_log_level_update",
            vec![case(
                "drive rqh level:debug\n@on_log_level_update\nexpect on_log_level_update(1)",
            )],
        ),
    ]
}
