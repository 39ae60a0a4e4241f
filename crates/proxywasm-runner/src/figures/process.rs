//! Figures of the process, as the kernel has them.

use rustix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// What is known of the process.
pub(crate) struct Process {
    /// Since 1970.
    pub(crate) started: Duration,
    pub(crate) uptime: Duration,
    pub(crate) processor: Duration,
    /// Memory that is not swapped out, and descriptors that are open, where the kernel tells.
    pub(crate) resident_bytes: Option<u64>,
    pub(super) descriptors: Option<u64>,
}

static STARTED: OnceLock<SystemTime> = OnceLock::new();

/// The process starts now, unless that was said before.
pub(super) fn note_start() {
    STARTED.get_or_init(SystemTime::now);
}

// === impl Process ===

impl Process {
    pub(crate) fn now() -> Self {
        let processor = clock_gettime(ClockId::ProcessCPUTime);
        let started = STARTED.get_or_init(SystemTime::now);
        Self {
            uptime: started.elapsed().unwrap_or_default(),
            started: started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            processor: Duration::new(
                processor.tv_sec.unsigned_abs(),
                u32::try_from(processor.tv_nsec).unwrap_or_default(),
            ),
            resident_bytes: resident_bytes(),
            descriptors: std::fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count() as u64),
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
