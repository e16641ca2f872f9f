//! The instrument: it counts the heap, keeps the counts of the program, and reports each request.
//!
//! * [`heap`]: the allocator that counts.
//! * [`buffer`]: buffers for bytes of the file. They are counted separately as well.
//! * [`ledger`]: opens an entry for each request. Closing the entry returns a [`record`].
//! * [`trace`]: writes each record to stderr.
//! * [`feed`]: passes records and samples on to the live pages. The [`recorder`] adds the samples, so that the figures
//!   of the last minute are kept.
//! * [`units`] and [`fixed_text`]: write figures without using the heap.
//!
//! This module depends on [`platform`](crate::platform), and on [`http`](crate::http) for the range of a request. It
//! does not depend on how requests are answered.

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
