//! Bytes from socket to socket by a pipe in the kernel, so that they never touch this process. Linux only; elsewhere, and where no pipe
//! can be had, bytes are read and written.

pub(super) use os::Pipe;

#[cfg(target_os = "linux")]
mod os {
    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
    use std::cell::RefCell;
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};

    /// A pipe with what was taken from one socket and not yet given to another.
    ///
    /// It is filled only when it is empty: a pipe that has something may be full before its size is reached, which could not be told
    /// from a socket that has nothing.
    #[derive(Debug)]
    pub(crate) struct Pipe {
        reader: OwnedFd,
        writer: OwnedFd,
        len: usize,
    }

    /// What a pipe holds, where the system allows that: the default of 64 KiB is far less than a socket has at once.
    const SIZE: usize = 1 << 20;
    /// Empty pipes that a thread keeps, so that idle connections need none and busy ones do not wait for one.
    const KEPT: usize = 32;

    thread_local! {
        static IDLE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    }

    // === impl Pipe ===

    impl Pipe {
        /// An empty pipe; an error where the process has no descriptors left.
        pub(crate) fn open() -> io::Result<Self> {
            if let Some(pipe) = IDLE.with_borrow_mut(Vec::pop) {
                return Ok(pipe);
            }
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
            // Past its limits for a user the system refuses; then it is as large as it is.
            let _ = fcntl_setpipe_size(&writer, SIZE);
            Ok(Self {
                reader,
                writer,
                len: 0,
            })
        }

        /// The bytes in it.
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        /// Takes what a socket has; 0 is its end. It must not have anything.
        pub(crate) fn fill(&mut self, socket: &impl AsFd) -> io::Result<usize> {
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            let taken = splice(socket, None, &self.writer, None, SIZE, flags)?;
            self.len += taken;
            Ok(taken)
        }

        /// Gives what it has to a socket.
        pub(crate) fn drain(&mut self, socket: &impl AsFd) -> io::Result<usize> {
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            let given = splice(&self.reader, None, socket, None, self.len, flags)?;
            self.len = self.len.saturating_sub(given);
            Ok(given)
        }

        /// Leaves it to the next one, if it is empty.
        pub(crate) fn release(self) {
            if self.len == 0 {
                IDLE.with_borrow_mut(|idle| {
                    if idle.len() < KEPT {
                        idle.push(self);
                    }
                });
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use std::io;

    /// There is none.
    #[derive(Debug)]
    pub(crate) enum Pipe {}

    // === impl Pipe ===

    impl Pipe {
        pub(crate) fn open() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn len(&self) -> usize {
            match *self {}
        }

        pub(crate) fn fill<S>(&mut self, _: &S) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) fn drain<S>(&mut self, _: &S) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) fn release(self) {
            match self {}
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::Pipe;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    /// Two ends of a connection; the first one does not block.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = listener.accept().unwrap().0;
        server.set_nonblocking(true).unwrap();
        (server, client)
    }

    #[test]
    fn bytes_pass_unseen() {
        let ((from, mut sender), (to, mut receiver)) = (pair(), pair());
        let sent: Vec<u8> = (0..5_000_000u32).map(|number| (number * 7 / 3) as u8).collect();
        let expected = sent.clone();
        let sending = thread::spawn(move || sender.write_all(&sent).unwrap());
        let receiving = thread::spawn(move || {
            let mut bytes = Vec::new();
            receiver.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut pipe = Pipe::open().unwrap();
        loop {
            match pipe.fill(&from) {
                Ok(0) => break,
                Ok(size) => assert_eq!(pipe.len(), size),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    thread::yield_now();
                }
            }
            while pipe.len() > 0 {
                if let Err(error) = pipe.drain(&to) {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    thread::yield_now();
                }
            }
        }
        drop(to);
        sending.join().unwrap();
        assert!(receiving.join().unwrap() == expected);
    }

    #[test]
    fn one_that_is_not_empty_is_not_used_again() {
        let (from, mut sender) = pair();
        sender.write_all(b"secret").unwrap();
        let mut pipe = Pipe::open().unwrap();
        while pipe.fill(&from).is_err() {
            thread::yield_now();
        }
        assert_eq!(pipe.len(), 6);
        pipe.release();
        assert_eq!(Pipe::open().unwrap().len(), 0);
    }
}
