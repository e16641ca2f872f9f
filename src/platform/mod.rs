//! What differs between Linux, macOS and Windows, and every call that std has no safe form of.
//!
//! One file for each matter, with one interface on all systems; where a system has no such thing, the
//! function says "unknown" or does nothing. This room knows nothing of HTTP and of the rest of the program.
#![allow(unsafe_code)]

mod duplicate;
mod files;
mod limits;
mod memory;
mod signals;
mod sockets;

pub use duplicate::{Duplicate, reserve_duplicate};
pub use files::media_open_options;
pub use limits::{descriptor_limit, raise_descriptor_limit};
pub use memory::{RESIDENT_SET_MEANING, ResidentSet, resident_set, trim_heap};
pub use signals::{catch_stop_signals, stop_signals};
pub use sockets::{Handle, HandleStatus, REPORTS_RECEIVED_BYTES, have_unread, listener_options, set_backlog};
