//! The instrument: it counts the heap, keeps the program's counts, and tells what each request did.
//!
//! A [`buffer`] holds bytes of the file, and is counted apart from the rest of the heap as well.
//! [`heap`] is the allocator that counts. The [`ledger`] opens and closes an entry for each request; a closed entry is
//! a [`record`], which whoever answers hands to the [`trace`] and to the [`feed`] of the live pages, where the
//! [`recorder`] keeps the figures of the last minute. [`units`] and [`fixed_text`] write figures without the heap. This room knows [`platform`](crate::platform), and of
//! [`http`](crate::http) what a range is; it knows nothing of how a request is answered.

pub mod buffer;
pub mod feed;
pub mod fixed_text;
pub mod heap;
pub mod ledger;
pub mod record;
pub mod recorder;
mod ring;
pub mod trace;
pub mod units;
