//! What callbacks return.

use crate::Action;
use wasmtime::{StoreContextMut, TypedFunc, WasmParams};

/// A plugin returned a number that is no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownAction(pub u32);

/// What a plugin returned from a callback that has an action.
pub type Returned = Result<Action, UnknownAction>;

/// Calls a callback of the component ABI that has an action. One that the module does not export answers `forward`.
///
/// # Errors
/// The guest trapped.
pub fn call_for_action<T: 'static, P: WasmParams>(
    callback: &Option<TypedFunc<P, u32>>,
    store: StoreContextMut<'_, T>,
    arguments: P,
) -> wasmtime::Result<Returned> {
    match callback {
        Some(callback) => {
            let number = callback.call(store, arguments)?;
            Ok(Action::try_from(number).map_err(|_| UnknownAction(number)))
        }
        None => Ok(Ok(Action::Forward)),
    }
}
