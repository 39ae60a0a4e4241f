//! The hostcalls of wasi-ffi: decode, call the core, encode.

use crate::FfiView;
use crate::bindings::types::{Ciovec, Iovec};
use crate::bindings::wasi_ffi::WasiFfi;
use crate::core::Functions;
use wasi_common::guest::{gather, parts, return_all};
use wasi_common::packed::{pack_list, packed_list_len};
use wasi_common::{Common, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-ffi work on.
pub struct Host<'a> {
    common: &'a mut Common,
    functions: &'a mut Functions,
}

impl<T: FfiView> crate::bindings::WasiFfiView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_ffi(&mut self) -> Host<'_> {
        let (common, functions) = self.functions();
        Host { common, functions }
    }
}

impl WasiFfi for Host<'_> {
    fn call_custom_function(
        &mut self,
        memory: &mut GuestMemory<'_>,
        custom_function_id: u32,
        parameters: GuestPtr<[Ciovec]>,
    ) -> Result<u32, Status> {
        let parameters: Vec<&[u8]> = parts(memory, parameters)?.collect::<Result<_, _>>()?;
        self.functions.call(self.common, custom_function_id, &parameters)
    }

    fn get_custom_function_results_sizes(
        &mut self,
        memory: &mut GuestMemory<'_>,
        return_id: u32,
        return_count: GuestPtr<u32>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let results = self.functions.results(self.common, return_id)?;
        let size = packed_list_len(results.iter().map(|result| &result[..]));
        let number = |value: usize| u32::try_from(value).map_err(|_| Status::Unavailable);
        memory.write(return_count, number(results.len())?)?;
        memory.write(return_size, number(size)?)?;
        Ok(())
    }

    fn get_custom_function_results(
        &mut self,
        memory: &mut GuestMemory<'_>,
        return_id: u32,
        return_values: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let results = self.functions.results(self.common, return_id)?;
        let mut block = Vec::new();
        pack_list(results.iter().map(|result| &result[..]), &mut block);
        let content = std::iter::once(&block[..]);
        return_all(memory, return_values, return_size, block.len(), content)?;
        self.functions.take_results(self.common, return_id)?;
        Ok(())
    }

    fn resolve_custom_function(
        &mut self,
        memory: &mut GuestMemory<'_>,
        name: GuestPtr<[Ciovec]>,
    ) -> Result<u32, Status> {
        let limit = self
            .common
            .current_settings()
            .map_or(0, |settings| settings.limits.argument_bytes);
        let name = gather(memory, name, limit)?;
        self.functions.resolve(self.common, &name)
    }

    fn set_custom_callback_results(
        &mut self,
        memory: &mut GuestMemory<'_>,
        custom_callback_id: u32,
        results: GuestPtr<[Ciovec]>,
    ) -> Result<(), Status> {
        let results: Vec<&[u8]> = parts(memory, results)?.collect::<Result<_, _>>()?;
        self.functions
            .set_callback_results(self.common, custom_callback_id, &results)
    }
}
