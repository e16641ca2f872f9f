//! What differs between Linux, macOS and Windows, and every system call for which std has no safe function.
//!
//! Each file has one subject, with the same interface on all systems. If a system does not have the feature, the
//! function returns "unknown" or does nothing. This module does not depend on the rest of the program.
#![allow(unsafe_code)]

mod available_memory;
mod duplicate;
mod files;
mod limits;
mod memory;
mod signals;
mod sockets;

pub use available_memory::available_memory;
pub use duplicate::{Duplicate, reserve_duplicate};
pub use files::media_open_options;
pub use limits::{descriptor_limit, raise_descriptor_limit};
pub use memory::{RESIDENT_SET_MEANING, ResidentSet, resident_set, trim_heap};
pub use signals::{catch_stop_signals, stop_signals};
pub use sockets::{Handle, HandleStatus, REPORTS_RECEIVED_BYTES, have_unread, listener_options, set_backlog};
