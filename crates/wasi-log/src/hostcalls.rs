//! The hostcalls of wasi-log: decode, call the core, encode.

use crate::LogView;
use crate::bindings::types::Ciovec;
use crate::bindings::wasi_log::WasiLog;
use crate::core::Log;
use wasi_common::guest::gather;
use wasi_common::{Common, LogLevel, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-log work on.
pub struct Host<'a> {
    common: &'a mut Common,
    log: &'a mut Log,
}

impl<T: LogView> crate::bindings::WasiLogView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_log(&mut self) -> Host<'_> {
        let (common, log) = self.log();
        Host { common, log }
    }
}

impl WasiLog for Host<'_> {
    fn log(
        &mut self,
        memory: &mut GuestMemory<'_>,
        level: LogLevel,
        message: GuestPtr<[Ciovec]>,
    ) -> Result<(), Status> {
        let limit = self
            .common
            .current_settings()
            .map_or(crate::core::MAX_MESSAGE_BYTES, |settings| {
                settings.limits.argument_bytes
            });
        let message = gather(memory, message, limit)?;
        self.log.write(self.common, level, &message)
    }

    fn get_log_level(&mut self, _: &mut GuestMemory<'_>) -> Result<LogLevel, Status> {
        Ok(self.log.level())
    }
}
