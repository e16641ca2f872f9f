//! What differs between Linux, macOS and Windows, and every system call for which std has no safe function.
//!
//! Each file has one subject, with the same interface on all systems. If a system does not have the feature, the
//! function returns "unknown" or does nothing. This module does not depend on the rest of the program.
#![allow(unsafe_code)]

mod files;
mod limits;
mod mapping;
mod memory;
mod signals;
pub mod sockets;
mod terminal;

pub use files::{is_busy, is_out_of_descriptors, last_change, open_media};
pub use limits::{descriptor_limit, raise_descriptor_limit};
pub use mapping::Mapping;
pub use memory::{RESIDENT_SET_MEANING, ResidentSet, available_memory, resident_set};
pub use signals::{catch_stop_signals, notice_stop_signals, wait_for_stop};
pub use terminal::stderr_shows_colors;

pub const IS_LINUX: bool = cfg!(any(target_os = "linux", target_os = "android"));
