//! Hostcalls by other names and of other types than the text of the ABI has.

use super::{grpc, older, queues};
use crate::hostcall::{ALIASES, Hostcall, MODULE, Overload, overloads};
use crate::memory::{Outcome, Span, number};
use crate::status::Status;
use crate::view::LegacyView;
use wasmtime::{Caller, ExternType, Linker, Module, Val};

/// The most parameters of an overload.
const MAX_PARAMETERS: usize = 10;

/// Adds the other names.
pub(super) fn add_aliases<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for (alias, hostcall) in ALIASES {
        linker.alias(MODULE, hostcall.name(), MODULE, alias)?;
    }
    Ok(())
}

/// Links the hostcalls that a module imports by another of their types, [`OVERLOADS`](crate::OVERLOADS), with that type. What it
/// imports by none of them stays as it is. The linker is then that module's own, and has to allow shadowing.
///
/// # Errors
/// The linker does not.
pub fn link_overloads<T: LegacyView + 'static>(
    linker: &mut Linker<T>,
    module: &Module,
) -> wasmtime::Result<()> {
    for import in module.imports().filter(|import| import.module() == MODULE) {
        let ExternType::Func(found) = import.ty() else {
            continue;
        };
        let engine = module.engine();
        let Some(overload) = overloads(import.name()).find(|overload| overload.ty(engine).matches(&found))
        else {
            continue;
        };
        linker.func_new(MODULE, overload.name, found, |caller, parameters, results| {
            let mut arguments = [0; MAX_PARAMETERS];
            for (argument, parameter) in arguments.iter_mut().zip(parameters) {
                *argument = parameter.i32().unwrap_or(0).cast_unsigned();
            }
            let arguments = arguments.get(..parameters.len()).unwrap_or_default();
            let status = number(call(caller, *overload, arguments));
            results.fill(Val::I32(status.cast_signed()));
            Ok(())
        })?;
    }
    Ok(())
}

fn call<T: LegacyView + 'static>(caller: Caller<'_, T>, overload: Overload, arguments: &[u32]) -> Outcome {
    match (overload.hostcall, arguments) {
        (Hostcall::ClearRouteCache, []) => older::clear_route_cache(caller),
        (Hostcall::ContinueRequest, []) => older::continue_request(caller),
        (Hostcall::ContinueResponse, []) => older::continue_response(caller),
        (Hostcall::GrpcCall | Hostcall::GrpcStream, arguments) => {
            grpc::begin_without_metadata(caller, arguments)
        }
        (Hostcall::ResolveSharedQueue, &[name, name_len, return_id]) => {
            let own = Span::new(0, 0);
            queues::resolve(caller, own, Span::new(name, name_len), return_id)
        }
        _ => Err(Status::InternalFailure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostcall::OVERLOADS;

    #[test]
    fn every_overload_fits() {
        assert!(
            OVERLOADS
                .iter()
                .all(|overload| overload.parameters <= MAX_PARAMETERS)
        );
    }
}
