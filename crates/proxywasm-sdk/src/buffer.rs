//! Buffers of a stream: what is held of a body.

use crate::hostcalls;
use crate::raw::BufferType;
use crate::status::Result;

/// What most bodies fit into, in bytes.
const USUAL_SIZE: usize = 4096;

/// A buffer of a stream, as a view: every call asks the host.
///
/// All calls report [`Status::INVALID_OPERATION`](crate::Status::INVALID_OPERATION) when the buffer does not
/// exist in the phase that the stream is in.
#[derive(Debug, Clone, Copy)]
pub struct Buffer {
    id: u32,
    kind: BufferType,
}

// === impl Buffer ===

impl Buffer {
    pub(crate) const fn new(id: u32, kind: BufferType) -> Self {
        Self { id, kind }
    }

    /// How many bytes it holds. Callbacks are told, and need not ask.
    ///
    /// # Errors
    /// What [`Buffer`] tells.
    pub fn size(&self) -> Result<usize> {
        hostcalls::buffer_size(self.id, self.kind)
    }

    /// Everything it holds.
    ///
    /// # Errors
    /// What [`Buffer`] tells.
    pub fn read(&self) -> Result<Vec<u8>> {
        self.read_range(0, usize::MAX)
    }

    /// At most `max_size` bytes from `offset` on; fewer if it ends before.
    ///
    /// # Errors
    /// What [`Buffer`] tells.
    pub fn read_range(&self, offset: usize, max_size: usize) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.read_range_into(offset, max_size, &mut content)?;
        Ok(content)
    }

    /// Like [`read_range`](Self::read_range), but reuses the memory of a vector, whose content is gone.
    ///
    /// # Errors
    /// What [`Buffer`] tells; then the vector is empty.
    pub fn read_range_into(&self, offset: usize, max_size: usize, content: &mut Vec<u8>) -> Result<()> {
        content.clear();
        content.reserve(max_size.min(USUAL_SIZE));
        loop {
            let had = content.len();
            let rest = max_size.saturating_sub(had);
            let available =
                hostcalls::get_buffer(self.id, self.kind, offset.saturating_add(had), rest, content)?;
            let missing = available.saturating_sub(content.len() - had);
            if missing == 0 {
                return Ok(());
            }
            content.reserve(missing);
        }
    }

    /// Puts bytes before everything.
    ///
    /// # Errors
    /// Those of [`splice`](Self::splice).
    pub fn prepend(&self, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        self.splice(0, 0, content)
    }

    /// Puts bytes behind everything.
    ///
    /// # Errors
    /// Those of [`splice`](Self::splice).
    pub fn append(&self, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        self.splice(usize::MAX, 0, content)
    }

    /// Replaces everything.
    ///
    /// # Errors
    /// Those of [`splice`](Self::splice).
    pub fn replace(&self, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        self.splice(0, usize::MAX, content)
    }

    /// Replaces `size` bytes from `offset` on. Bytes beyond the end do not count.
    ///
    /// # Errors
    /// What [`Buffer`] tells; `invalid_operation` for a read-only buffer, `unavailable` when it would become
    /// larger than the host permits. Then nothing has changed.
    pub fn splice(&self, offset: usize, size: usize, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        hostcalls::set_buffer(self.id, self.kind, offset, size, content.as_ref())
    }
}
