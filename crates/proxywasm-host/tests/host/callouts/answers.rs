//! What comes back for a callout, and what plugins do with it.

use super::*;

#[test]
fn answers() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "a whole answer resumes the request",
            Guest {
                request: ASK,
                whole: Some(
                    "(call $read_body (local.get $id)) (call $read_status (local.get $id)) \
                    (drop (call $resume_request (call $stream (local.get $id)))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh 1h 1b:ab 1b:c 1t 1e",
            r#">1 R1:2,3,1 "abc" 0"" s1=rqh!"#,
        ),
        (
            "a failure is told with its reason",
            Guest {
                request: ASK,
                whole: Some(
                    "(call $read_body (local.get $id)) (call $read_status (local.get $id)) \
                    (call $respond (call $stream (local.get $id))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh 1h 1b:ab 1f",
            r#">1 R1:0,0,0 =6 10"refused" =0 s1=abandoned s1=rsh:403!"#,
        ),
        (
            "no callback for answers: they are dropped",
            Guest {
                request: "(call $call AUTH GET (i32.const 0)) (i32.const 0)",
                whole: None,
                ..WHOLE
            },
            "rqh 1h 1b:ab 1e 1e",
            ">1 s1=rqh!",
        ),
        (
            "an answer as it comes",
            Guest {
                request: ASK,
                body: Some("(call $read_body (local.get $id)) (i32.const 0)"),
                trailers: Some(RESUME),
                ..STREAMING
            },
            "rqh 1h 1b:ab 1b:c 1t",
            r#">1 H1:2 B1:2 "ab" B1:1 "c" T1:1 s1=rqh!"#,
        ),
        (
            "only headers are wanted",
            Guest {
                request: ASK,
                headers: Some(RESUME),
                body: None,
                trailers: None,
                ..STREAMING
            },
            "rqh 1h 1b:ab 1b:c 1t",
            ">1 H1:2 s1=rqh!",
        ),
        (
            "an answer as it comes that breaks off",
            Guest {
                request: ASK,
                body: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh 1h 1b:ab 1f 1b:more",
            r#">1 H1:2 B1:2 =6 B1:0! 10"refused""#,
        ),
        (
            "an answer as it comes that never comes",
            Guest {
                request: ASK,
                headers: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh 1f 1h",
            r#">1 H1:0 10"refused""#,
        ),
        (
            "a stream that is gone when the answer comes",
            Guest {
                request: ASK,
                whole: Some(
                    "(call $say (call $resume_request (call $stream (local.get $id)))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh end1 1h 1e",
            ">1 R1:2,0,0 =4",
        ),
        (
            "a call from within the callback of another",
            Guest {
                request: ASK,
                whole: Some(
                    "(if (i32.eq (local.get $id) (i32.const 1)) \
                    (then (call $await (call $stream (local.get $id)))) \
                    (else (drop (call $resume_request (call $stream (local.get $id)))))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh 1h 1e 2h 2e",
            ">1 R1:2,0,0 >2 R2:2,0,0 s1=rqh!",
        ),
        (
            "a call from the start of the plugin; the instance that proved it sent none",
            Guest {
                start: "(call $call AUTH GET (i32.const 0))",
                ..WHOLE
            },
            "rqh 1h 1e",
            ">1 s1=rqh! R1:2,0,0",
        ),
    ];
    for (name, guest, script, expected) in table {
        assert_eq!(Driver::new(guest).run(script), *expected, "{name}");
    }
}

#[test]
fn pauses_and_closes() {
    // The stream of the first callout's request acts on it when another request comes.
    let second = |text: &'static str, guest: Guest| (text, guest);
    let table: Vec<(&str, (&'static str, Guest), &str, &str)> = vec![
        (
            "a paused answer stays readable, and goes on when it is resumed",
            second(
                "(call $read_body (i32.const 1)) (call $say (call $resume_call (i32.const 1))) (i32.const 0)",
                Guest {
                    body: Some(PAUSE),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab rqh 1b:c 1e",
            r#">1 s1=rqh! H1:2 B1:2 "ab" =0 r1 s2=rqh! B1:1"#,
        ),
        (
            "what came while it was paused is told at once",
            second(
                "(call $say (call $resume_call (i32.const 1))) (i32.const 0)",
                Guest {
                    headers: Some(PAUSE),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1b:cd 1t rqh",
            ">1 s1=rqh! H1:2 =0 B1:4 T1:1 s2=rqh!",
        ),
        (
            "a whole answer can be kept",
            second(
                "(call $read_body (i32.const 1)) (call $say (call $resume_call (i32.const 1))) (i32.const 0)",
                Guest {
                    whole: Some(PAUSE),
                    ..WHOLE
                },
            ),
            "rqh 1h 1b:ab 1e late rqh rqh",
            r#">1 s1=rqh! R1:2,2,0 "ab" =0 s2=rqh! =4 =4 s3=rqh!"#,
        ),
        (
            "close while it is under way",
            second(
                "(call $say (call $close_call (i32.const 1))) (i32.const 0)",
                STREAMING,
            ),
            "rqh 1h rqh 1b:ab 1e rqh",
            ">1 s1=rqh! H1:2 =0 x1 s2=rqh! =4 s3=rqh!",
        ),
        (
            "close in its own callback",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some(
                        "(call $say (call $close_call (local.get $id))) (call $read_status (local.get $id)) (i32.const 3)",
                    ),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 =0 =4 x1",
        ),
        (
            "the action close",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(i32.const 6)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 x1",
        ),
        (
            "an action that is not legal",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(i32.const 4)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 x1",
        ),
        (
            "no action at all",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(i32.const 77)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 x1",
        ),
        (
            "a resume in the callback that pauses",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(call $say (call $resume_call (local.get $id))) (i32.const 3)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 =0 B1:2 B1:0!",
        ),
        (
            "answers cannot be written to, nor read by a wrong name",
            second(
                "(i32.const 0)",
                Guest {
                    whole: Some(
                        "(call $say (call $set_buffer (local.get $id) (i32.const 5) (i32.const 0) (i32.const 0) \
                            (i32.const 56) (i32.const 1))) \
                        (call $say (call $get_buffer (local.get $id) (i32.const 6) (i32.const 0) (i32.const -1) \
                            (i32.const 104) (i32.const 1) (i32.const 84))) \
                        (call $say (call $get_map (local.get $id) (i32.const 6) (i32.const 0) (i32.const 0) \
                            (i32.const 104) (i32.const 1) (i32.const 84))) \
                        (call $say (call $get_map (local.get $id) (i32.const 0) (i32.const 0) (i32.const 0) \
                            (i32.const 104) (i32.const 1) (i32.const 84))) (i32.const 0)",
                    ),
                    ..WHOLE
                },
            ),
            "rqh 1h 1e",
            ">1 s1=rqh! R1:2,0,0 =6 =4 =0 =4",
        ),
    ];
    for (name, (later, mut guest), script, expected) in table {
        let request = format!(
            "(if (result i32) (global.get $id) (then {later}) (else (call $call AUTH GET (i32.const 0)) (i32.const 0)))"
        );
        guest.request = Box::leak(request.into_boxed_str());
        assert_eq!(Driver::new(&guest).run(script), expected, "{name}");
    }
}

#[test]
fn for_which_stream_a_callout_is() {
    const START: &str = "(call $call AUTH GET (i32.const 0))";
    const CALL: &str = "(call $call AUTH GET (i32.const 0)) (i32.const 0)";
    // The parts of a guest, a script, what happens, and of each callout the number of its stream, or 0.
    let table: &[(&str, Guest, &str, &str, &[usize])] = &[
        (
            "when the plugin starts",
            Guest {
                start: START,
                ..WHOLE
            },
            "rqh",
            ">1 s1=rqh!",
            &[0],
        ),
        (
            "for each stream",
            Guest {
                request: CALL,
                ..WHOLE
            },
            "rqh rqh",
            ">1 s1=rqh! >2 s2=rqh!",
            &[1, 2],
        ),
        (
            "after an answer, which is the plugin's, and after the answer to that",
            Guest {
                request: CALL,
                whole: Some(CALL),
                ..WHOLE
            },
            "rqh rqh 2h 2e 3h 3e 1h 1e",
            ">1 s1=rqh! >2 s2=rqh! R2:2,0,0 >3 R3:2,0,0 >4 R1:2,0,0 >5",
            &[1, 2, 2, 2, 1],
        ),
        (
            "after one that was late",
            Guest {
                request: CALL,
                whole: Some(CALL),
                ..WHOLE
            },
            "rqh late",
            ">1 s1=rqh! R1:0,0,0 x1 >2",
            &[1, 1],
        ),
    ];
    for (name, guest, script, expected, streams) in table {
        let mut driver = Driver::new(guest);
        assert_eq!(driver.run(script), *expected, "{name}");
        let found: Vec<usize> = driver
            .origins
            .iter()
            .map(|origin| match origin {
                None => 0,
                Some(origin) => {
                    assert_eq!(origin.filter, 0);
                    let place = driver.streams.iter().position(|id| *id == origin.stream);
                    place.unwrap() + 1
                }
            })
            .collect();
        assert_eq!(found, *streams, "{name}");
    }
}

#[test]
fn whether_a_callout_was_late() {
    let table = [
        ("(call $await (local.get $ctx)) (i32.const 3)", "rqh late", true),
        ("(call $await (local.get $ctx)) (i32.const 3)", "rqh down", false),
    ];
    for (request, script, late) in table {
        let mut driver = Driver::new(&Guest { request, ..WHOLE });
        driver.run(script);
        assert_eq!(driver.late, [late], "{script}");
    }
}
