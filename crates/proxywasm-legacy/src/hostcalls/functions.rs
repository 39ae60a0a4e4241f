//! Functions of the embedder, which these ABIs call foreign functions: by name, with one argument and one result.

use super::refused;
use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Delivery, Return, Span, deliver_scratch, delivered, enter, write_u32};
use crate::view::LegacyView;
use wasmtime::{Caller, Linker};

/// Adds the hostcall of functions.
pub(super) fn add<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        Hostcall::CallForeignFunction.name(),
        |caller: Caller<'_, T>,
         name: u32,
         name_len: u32,
         argument: u32,
         argument_len: u32,
         address: u32,
         len: u32| {
            let (name, argument) = (Span::new(name, name_len), Span::new(argument, argument_len));
            delivered(call(caller, name, argument, Return::new(address, len)))
        },
    )?;
    Ok(())
}

/// Calls a function. The guest gets all its results as one, behind each other. It may give 0 for where it wants the address, and then gets
/// at most how long the result is.
fn call<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    name: Span,
    argument: Span,
    place: Return,
) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    if place.address != 0 {
        place.check(memory)?;
    } else if place.len != 0 {
        Span::new(place.len, 4).bytes(memory)?;
    }
    let (name, argument) = (name.bytes(memory)?, argument.bytes(memory)?);
    let results = parts
        .functions
        .resolve(parts.common, name)
        .and_then(|function| parts.functions.call(parts.common, function, &[argument]))
        .and_then(|id| parts.functions.take_results(parts.common, id));
    let results = match results {
        Ok(results) => results,
        Err(status) => return Err(refused(parts.common, Hostcall::CallForeignFunction, status).into()),
    };
    let scratch = &mut parts.legacy.scratch;
    scratch.clear();
    results
        .iter()
        .for_each(|result| scratch.extend_from_slice(result));
    if place.address != 0 {
        return deliver_scratch(&mut caller, place);
    }
    if place.len != 0 {
        let len = u32::try_from(scratch.len()).unwrap_or(u32::MAX);
        write_u32(memory, place.len, len)?;
    }
    Ok(())
}
