//! The hostcalls that only ABI 0.1.0 has, and those that the first host of MOSN had beside it.

use super::{Row, case};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "env",
        function,
        cases,
    };
    vec![
        row(
            "proxy_get_configuration",
            vec![
                case(
                    "@proxy_on_vm_start
                        proxy_get_configuration &at &size -> ok
                        check $size 2
                        expect_at $at 'vm'
                    @proxy_on_configure
                        proxy_get_configuration &at &size -> ok
                        check $size 3
                        expect_at $at 'abc'
                        proxy_get_configuration &bad &size -> invalid_memory_access
                        proxy_get_configuration &at &bad -> invalid_memory_access
                    expect proxy_on_configure(1,3)",
                )
                .with(|setup| {
                    setup.config.configuration = "abc".into();
                    setup.config.vm_configuration = "vm".into();
                }),
            ],
        ),
        row(
            "proxy_continue_request",
            vec![
                case("proxy_continue_request -> ok\nreturn pause\nexpect out:rqh"),
                case("@proxy_on_vm_start\nproxy_continue_request -> ok"),
            ],
        ),
        row(
            "proxy_continue_response",
            vec![case(
                "drive rqh! rsh
                @proxy_on_response_headers
                    proxy_continue_response -> ok
                    return pause
                expect out:rsh:200",
            )],
        ),
        row(
            "proxy_clear_route_cache",
            vec![case(
                "proxy_clear_route_cache -> ok\nproxy_clear_route_cache -> ok\nexpect out:rqh",
            )],
        ),
        row(
            "proxy_resume_downstream",
            vec![case(
                "drive new down:ab
                @proxy_on_downstream_data
                    proxy_resume_downstream -> ok
                    return pause
                expect out:up:ab",
            )],
        ),
        row(
            "proxy_resume_upstream",
            vec![case(
                "drive new up:cd
                @proxy_on_upstream_data
                    proxy_resume_upstream -> ok
                    return pause
                expect out:down:cd",
            )],
        ),
        row(
            "proxy_remove_metric",
            vec![case(
                "proxy_define_metric 0 'm' &m -> ok
                proxy_remove_metric $m -> ok
                proxy_remove_metric $m -> not_found
                proxy_get_metric $m &value -> not_found",
            )],
        ),
        row(
            "proxy_remove_shared_queue",
            vec![case(
                "proxy_remove_shared_queue 99 -> not_found
                proxy_register_shared_queue 'q' &q -> ok
                proxy_remove_shared_queue $q -> ok
                proxy_remove_shared_queue $q -> not_found
                proxy_resolve_shared_queue none 'q' &q -> not_found",
            )],
        ),
    ]
}
