//! What the tests share: the program as a user starts it, and clients that send raw HTTP over std's sockets.
#![allow(dead_code, unused_imports, missing_docs, reason = "each test file uses only a part")]

mod client;
mod json;
mod server;

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use client::{Answer, Client, load};
pub use json::{number, raw, text};
pub use server::{Process, Server};

/// How long a test waits for something that must happen, also on a busy machine. Less than the program's default
/// timeout of 30 s, which would else close connections that are to be closed for another reason.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// What the program waits at most for running answers after the first stop signal.
pub const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A body of this size never fits in the kernel's buffers: Linux takes up to 4 MiB for a client that does not read.
pub const LARGE_BYTES: usize = 8 << 20;

pub const MODES: [&str; 2] = ["buffer", "stream"];

/// A temporary folder, removed when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let name = format!("heapserve-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                // It was left by an earlier process with this id, which was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => return created.map(|()| Self(path)).unwrap(),
            }
        }
    }

    /// A file of [`content`].
    pub fn file(&self, name: &str, bytes: usize) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content(bytes)).unwrap();
        path
    }

    /// A file of zeros that takes no space on most file systems.
    pub fn sparse_file(&self, name: &str, bytes: u64) -> PathBuf {
        let path = self.0.join(name);
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes of which each group of eight is its own position plus 1, so that misplaced bytes are noticed.
pub fn content(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    for (position, eight) in (1_u64..).step_by(8).zip(content.chunks_mut(8)) {
        eight.copy_from_slice(&position.to_le_bytes()[..eight.len()]);
    }
    content
}

/// The built program, without arguments.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_heapserve"))
}

/// The program with a JSON trace on a free port, from a shell that first sets limits, such as with `ulimit -v 1000000`.
#[cfg(unix)]
pub fn limited(limits: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_heapserve")]);
    command.args(["--port", "0", "--trace", "json"]);
    command
}

/// Runs `test` on all rows at the same time, so that they wait together. Fails if it fails on one.
pub fn in_parallel<T: Send>(rows: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let test = &test;
    thread::scope(|scope| rows.into_iter().for_each(|row| drop(scope.spawn(move || test(row)))));
}

/// Polls until `happened` returns something, and fails after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(it) = happened() {
            return it;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
