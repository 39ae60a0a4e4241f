//! Properties.

use crate::support::{Guest, RETURN, passing_on, settings};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INTERNAL_FAILURE: u32 = 10;

fn get(guest: &mut Guest, path: &str) -> (u32, Vec<u8>) {
    let [path, len] = guest.give(path);
    let status = guest.call("proxy_get_property", &[path, len, RETURN[0], RETURN[1]]);
    let value = if status == OK {
        guest.returned()
    } else {
        Vec::new()
    };
    (status, value)
}

fn set(guest: &mut Guest, path: &str, value: &str) -> u32 {
    let ([path, path_len], [value, value_len]) = (guest.give(path), guest.give(value));
    guest.call("proxy_set_property", &[path, path_len, value, value_len])
}

#[test]
fn known_to_the_host() {
    let mut settings = settings("named");
    settings.root_id = "root".into();
    let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), settings);
    let table: &[(&str, bool, u32, &[u8])] = &[
        ("plugin_name", true, OK, b"named"),
        ("plugin_root_id", true, OK, b"root"),
        ("plugin_vm_id", true, OK, b""),
        ("request\0path", false, OK, b"/a"),
        ("request\0path\0", false, OK, b"/a"),
        ("request\0headers\0x", false, OK, b"1,2"),
        ("request.path", false, NOT_FOUND, b""),
        ("response\0code", false, NOT_FOUND, b""),
        ("nonsense", true, NOT_FOUND, b""),
        ("", true, NOT_FOUND, b""),
    ];
    for of_plugin in [false, true] {
        for (path, plugins, status, value) in table {
            let scope = &mut guest.store.data_mut().common.scope;
            scope.context_id = if of_plugin {
                guest.plugin_id
            } else {
                guest.context_id
            };
            let expected = match (of_plugin, plugins) {
                (true, false) => (NOT_FOUND, vec![]),
                _ => (*status, value.to_vec()),
            };
            assert_eq!(get(&mut guest, path), expected, "{path:?} of plugin: {of_plugin}");
        }
    }
}

#[test]
fn set_by_the_plugin() {
    let mut settings = settings("test");
    settings.limits.property_bytes = 24;
    let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), settings);
    let table = [
        ("mine", "value", OK),
        ("two\0deep", "", OK),
        ("", "value", BAD_ARGUMENT),
        ("request\0path", "/b", BAD_ARGUMENT),
        ("plugin_name", "other", BAD_ARGUMENT),
        ("long", "0123456789", INTERNAL_FAILURE),
    ];
    for (path, value, status) in table {
        assert_eq!(set(&mut guest, path, value), status, "{path:?}");
        if status == OK {
            assert_eq!(get(&mut guest, path), (OK, value.as_bytes().to_vec()), "{path:?}");
        }
    }
}
