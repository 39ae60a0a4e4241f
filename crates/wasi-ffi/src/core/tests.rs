use super::*;
use crate::registry::FunctionError;
use std::sync::Mutex;
use wasi_common::permissions::Allowed;
use wasi_common::{AbiPolicy, CallScope, PluginSettings, PropertyPath, PropertyValue};

/// `reverse` returns its parameters in reverse; `fail` returns the error that its parameter is the number of.
fn registry() -> Arc<FunctionRegistry> {
    let mut registry = FunctionRegistry::new();
    let reverse = |_: &mut CallContext<'_>, parameters: &[&[u8]]| {
        Ok(parameters
            .iter()
            .rev()
            .map(|one| Bytes::copy_from_slice(one))
            .collect())
    };
    let fail = |_: &mut CallContext<'_>, parameters: &[&[u8]]| {
        Err(match parameters {
            [b"0"] => FunctionError::BadArgument("why".into()),
            [b"1"] => FunctionError::NotFound("why".into()),
            [b"2"] => FunctionError::NotAllowed("why".into()),
            [b"3"] => FunctionError::Unavailable("why".into()),
            _ => FunctionError::Failed("why".into()),
        })
    };
    registry.register("reverse", reverse).unwrap();
    registry.register("fail", fail).unwrap();
    registry.register("forbidden", |_, _| Ok(Vec::new())).unwrap();
    Arc::new(registry)
}

/// Two plugins in one instance, the first of which is executing.
fn two_plugins() -> Common {
    let mut common = Common::default();
    for name in ["first", "second"] {
        let mut settings = PluginSettings::new(name, AbiPolicy::COMPONENT);
        settings.permissions.functions = Allowed::from_iter(["reverse", "fail", "missing"]);
        settings.limits.handles = 2;
        settings.limits.argument_bytes = 100;
        common.contexts.add_plugin(Arc::new(settings));
    }
    common.scope = CallScope::new(1, 1, "on_plugin_start");
    common
}

#[test]
fn resolving() {
    let mut common = two_plugins();
    let functions = Functions::new(registry());
    let table: &[(&[u8], Result<u32, Status>)] = &[
        (b"reverse", Ok(1)),
        (b"fail", Ok(2)),
        (b"forbidden", Err(Status::NotAllowed)),
        (b"missing", Err(Status::NotFound)),
        (b"\xff", Err(Status::NotAllowed)),
    ];
    for (name, expected) in table {
        assert_eq!(functions.resolve(&common, name), *expected);
    }
    common.scope = CallScope::default();
    assert_eq!(
        functions.resolve(&common, b"reverse"),
        Err(Status::InvalidOperation)
    );
}

#[test]
fn calls() {
    let mut common = two_plugins();
    let mut functions = Functions::new(registry());
    let refused: &[(u32, &[u8], Status)] = &[
        (99, b"", Status::BadArgument),
        (0, b"", Status::BadArgument),
        (3, b"", Status::NotAllowed),
        (2, b"0", Status::BadArgument),
        (2, b"1", Status::NotFound),
        (2, b"2", Status::NotAllowed),
        (2, b"3", Status::Unavailable),
        (2, b"4", Status::InternalFailure),
        (1, &[b'x'; 93], Status::Unavailable),
    ];
    for (number, parameter, expected) in refused {
        assert_eq!(
            functions.call(&mut common, *number, &[parameter]),
            Err(*expected),
            "{number}"
        );
    }
    let id = functions.call(&mut common, 1, &[b"a", b"", b"bc"]).unwrap();
    assert_eq!(functions.results(&common, id).unwrap(), [&b"bc"[..], b"", b"a"]);
    assert_eq!(functions.results(&common, 99), Err(Status::BadArgument));
    let empty = functions.call(&mut common, 1, &[]).unwrap();
    assert_ne!(empty, id);
    assert_eq!(
        functions.call(&mut common, 1, &[]),
        Err(Status::Unavailable),
        "two are kept"
    );
    common.scope.plugin_id = 2;
    assert_eq!(functions.results(&common, id), Err(Status::NotAllowed));
    assert_eq!(functions.take_results(&common, id), Err(Status::NotAllowed));
    common.scope.plugin_id = 1;
    assert_eq!(functions.take_results(&common, id).unwrap().len(), 3);
    assert_eq!(functions.take_results(&common, id), Err(Status::BadArgument));
    assert_eq!(functions.take_results(&common, empty), Ok(vec![]));
    common.scope = CallScope::default();
    assert_eq!(functions.call(&mut common, 1, &[]), Err(Status::InvalidOperation));
}

#[test]
fn a_function_never_sees_more_than_the_bound_for_arguments() {
    // The first plugin may hand over 100 bytes, with 4 for the list and 4 for each parameter.
    for (parameters, len, calls) in [
        (1, 92, 1),
        (1, 93, 0),
        (3, 28, 1),
        (3, 29, 0),
        (24, 0, 1),
        (25, 0, 0),
    ] {
        let called = Arc::new(Mutex::new(0));
        let count = Arc::clone(&called);
        let mut registry = FunctionRegistry::new();
        let function = move |_: &mut CallContext<'_>, _: &[&[u8]]| {
            *count.lock().unwrap() += 1;
            Ok(Vec::new())
        };
        registry.register("reverse", function).unwrap();
        let region = vec![0; len];
        let result =
            Functions::new(Arc::new(registry)).call(&mut two_plugins(), 1, &vec![&region[..]; parameters]);
        let expected = if calls == 1 {
            Ok(1)
        } else {
            Err(Status::Unavailable)
        };
        assert_eq!(
            (result, *called.lock().unwrap()),
            (expected, calls),
            "{parameters} of {len}"
        );
    }
}

#[test]
fn what_was_not_taken_is_forgotten_and_its_room_is_free_again() {
    let mut common = two_plugins();
    let mut functions = Functions::new(registry());
    let large: &[u8] = &[b'x'; 92];
    let mut previous = 0;
    for end in [Functions::callback_returned, |functions: &mut Functions| {
        functions.remove_plugin(1)
    }] {
        functions.callback_returned();
        let id = functions.call(&mut common, 1, &[large]).unwrap();
        assert!(id > previous, "an id does not name later results");
        assert_eq!(functions.call(&mut common, 1, &[b""]), Err(Status::Unavailable));
        functions.remove_plugin(2);
        assert!(functions.results(&common, id).is_ok());
        end(&mut functions);
        assert_eq!(functions.results(&common, id), Err(Status::BadArgument));
        assert_eq!(functions.kept_bytes, 0);
        previous = id;
    }
}

#[test]
fn who_calls_is_told() {
    let seen = Arc::new(Mutex::new(String::new()));
    let mut registry = FunctionRegistry::new();
    let writes = Arc::clone(&seen);
    let whoami = move |context: &mut CallContext<'_>, _: &[&[u8]]| {
        *writes.lock().unwrap() = format!(
            "{} {} {}",
            context.plugin.name, context.context_id, context.callback
        );
        Ok(Vec::new())
    };
    registry.register("reverse", whoami).unwrap();
    let mut common = two_plugins();
    common.scope = CallScope::new(2, 7, "on_http_request_headers");
    Functions::new(Arc::new(registry))
        .call(&mut common, 1, &[])
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), "second 7 on_http_request_headers");
}

#[test]
fn results_of_custom_callbacks() {
    let mut common = two_plugins();
    let mut functions = Functions::default();
    assert_eq!(
        functions.set_callback_results(&common, 5, &[]),
        Err(Status::BadArgument),
        "none runs"
    );
    let parameters = CustomParameters {
        plugin_id: 1,
        callback_id: 5,
        block: Bytes::from_static(b"parameters"),
    };
    functions.begin_callback(&mut common, parameters);
    let large: &[u8] = &[b'x'; 93];
    let table: &[(u32, u32, &[&[u8]], Result<(), Status>)] = &[
        (1, 5, &[b"first"], Ok(())),
        (1, 5, &[b"a", b"b"], Ok(())),
        (1, 5, &[large], Err(Status::Unavailable)),
        (1, 6, &[b"x"], Err(Status::BadArgument)),
        (2, 5, &[b"x"], Err(Status::BadArgument)),
    ];
    for (plugin_id, callback_id, results, expected) in table {
        common.scope.plugin_id = *plugin_id;
        assert_eq!(
            functions.set_callback_results(&common, *callback_id, results),
            *expected
        );
    }
    assert_eq!(functions.end_callback(&mut common), [&b"a"[..], b"b"]);
    assert!(common.custom_parameters.is_none());
    assert_eq!(
        functions.set_callback_results(&common, 5, &[]),
        Err(Status::BadArgument)
    );
    assert!(functions.end_callback(&mut common).is_empty());
}

#[test]
fn what_functions_keep_and_change() {
    let mut registry = FunctionRegistry::new();
    let count = |context: &mut CallContext<'_>, _: &[&[u8]]| {
        let count = context.state::<u8>();
        *count += 1;
        let count = *count;
        *context.state::<u16>() += 100;
        Ok(vec![Bytes::from(vec![count])])
    };
    registry.register("reverse", count).unwrap();
    let rename = |context: &mut CallContext<'_>, parameters: &[&[u8]]| {
        let name = PropertyPath::new(b"plugin_name");
        assert_eq!(context.property(name)?, PropertyValue::from("first"));
        assert!(!context.is_of_stream());
        context.set_property(PropertyPath::new(&parameters.concat()), b"value")?;
        Ok(Vec::new())
    };
    registry.register("fail", rename).unwrap();
    let mut common = two_plugins();
    let mut functions = Functions::new(Arc::new(registry));
    let count = |functions: &mut Functions, common: &mut Common, plugin_id| {
        common.scope = CallScope::new(plugin_id, plugin_id, "on_timer_ready");
        let id = functions.call(common, 1, &[]).unwrap();
        functions.take_results(common, id).unwrap().concat()
    };
    assert_eq!(count(&mut functions, &mut common, 1), [1]);
    assert_eq!(count(&mut functions, &mut common, 1), [2]);
    assert_eq!(
        count(&mut functions, &mut common, 2),
        [1],
        "each plugin has its own"
    );
    functions.remove_plugin(1);
    assert_eq!(count(&mut functions, &mut common, 2), [2]);
    assert_eq!(
        count(&mut functions, &mut common, 1),
        [1],
        "it went with the plugin"
    );

    assert!(functions.call(&mut common, 2, &[b"mine"]).is_ok());
    let mine = common.property(1, PropertyPath::new(b"mine"));
    assert_eq!(mine.unwrap(), &b"value"[..]);
    let refused = functions.call(&mut common, 2, &[b"request"]);
    assert_eq!(refused, Err(Status::NotAllowed));
}
