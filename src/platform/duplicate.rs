//! Duplicates of sockets that the HTTP engine owns.
//!
//! A duplicate is first verified, and then used. Its number is our own, so nobody can close it between these two
//! steps and let another socket get the number.

#[cfg(windows)]
use std::io;
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::ops::Deref;

use super::limits;
use super::sockets::{Handle, bytes_received, identity_of};

/// A second handle on a socket.
pub struct Duplicate(pub(super) ManuallyDrop<TcpStream>);

impl Deref for Duplicate {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0
    }
}

impl Duplicate {
    /// See [`Handle::identity`].
    pub fn identity(&self) -> u64 {
        identity_of(&self.0)
    }

    /// The number of bytes that came from the client. Always 0 on systems other than Linux.
    pub fn received_bytes(&self) -> u64 {
        bytes_received(&self.0)
    }

    /// Whether the client sent bytes and all of them were read. Some thread has then taken this connection.
    ///
    /// Only for a socket whose receiving side is shut down. Always `false` on systems other than Linux.
    pub fn was_read(&self) -> bool {
        // The end of the client's stream counts as one byte.
        self.received_bytes() > 1 && matches!(self.0.peek(&mut [0]), Ok(0) | Err(_))
    }
}

impl Handle {
    /// All numbers that may be open handles.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(unix)]
        let numbers = 3..limits::descriptors_end() as i32;
        #[cfg(windows)]
        let numbers = (4..limits::handles_end()).step_by(4);
        numbers.map(Self).filter(|handle| !is_reserved(*handle))
    }

    /// Calls `act` with a duplicate of the handle. Returns `None` if there is nothing to duplicate.
    ///
    /// The number may belong to another socket by now, so `act` must verify the duplicate first.
    pub fn with_duplicate<T>(self, act: impl FnOnce(&Duplicate) -> T) -> Option<T> {
        with(self, act)
    }
}

#[cfg(unix)]
pub use reserved::reserve_duplicate;
#[cfg(unix)]
use reserved::{is_reserved, with};

/// One descriptor is reserved for duplicates, so that a connection can be shut down even when descriptors have run
/// out.
#[cfg(unix)]
mod reserved {
    use super::{Duplicate, Handle};
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::sync::{Mutex, OnceLock, PoisonError};

    unsafe extern "C" {
        fn dup2(from: i32, to: i32) -> i32;
    }

    struct Reserved {
        number: i32,
        descriptor: Mutex<OwnedFd>,
        /// What the reserved number refers to while there is no duplicate.
        filler: OwnedFd,
    }

    static RESERVED: OnceLock<Reserved> = OnceLock::new();

    /// Reserves the descriptor. Without it, no connection can be shut down.
    pub fn reserve_duplicate() -> io::Result<()> {
        let filler = OwnedFd::from(File::open("/dev/null")?);
        let descriptor = filler.try_clone()?;
        let number = descriptor.as_raw_fd();
        let _ = RESERVED.set(Reserved { number, descriptor: Mutex::new(descriptor), filler });
        Ok(())
    }

    pub fn is_reserved(handle: Handle) -> bool {
        RESERVED.get().is_some_and(|reserved| reserved.number == handle.0)
    }

    pub fn with<T>(handle: Handle, act: impl FnOnce(&Duplicate) -> T) -> Option<T> {
        let reserved = RESERVED.get()?;
        let _locked = reserved.descriptor.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the reserved number is ours, and locked. If `handle` is not open, the call fails.
        if unsafe { dup2(handle.0, reserved.number) } < 0 {
            return None;
        }
        let done = act(&Duplicate(Handle(reserved.number).borrowed()));
        // SAFETY: as above.
        unsafe { dup2(reserved.filler.as_raw_fd(), reserved.number) };
        Some(done)
    }
}

/// Does nothing: Windows has no limit of handles that a server could reach.
#[cfg(windows)]
pub fn reserve_duplicate() -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
fn is_reserved(_handle: Handle) -> bool {
    false
}

#[cfg(windows)]
fn with<T>(handle: Handle, act: impl FnOnce(&Duplicate) -> T) -> Option<T> {
    let duplicate = Duplicate(ManuallyDrop::new(handle.borrowed().try_clone().ok()?));
    let done = act(&duplicate);
    drop(ManuallyDrop::into_inner(duplicate.0));
    Some(done)
}
