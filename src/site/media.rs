//! The one file that is served: the only path of the disk that the program ever opens for a request.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::http::head::disposition;
use crate::http::media_type;
use crate::http::precondition::Validators;
use crate::http::target::percent_encoded;
use crate::platform;

/// The file as the command line names it.
#[derive(Debug)]
pub struct Media {
    path: PathBuf,
    /// The last part of its path as the disk has it, to be compared with a target's bytes.
    pub file_name: Vec<u8>,
    /// Its path as the command line has it, for people. A long one is cut at its start.
    pub shown: String,
    /// `/` and that name, percent-encoded.
    pub url_path: String,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// Its `Content-Disposition`.
    pub disposition: String,
}

/// The file, opened for one request: its bytes and its validators are of the same version.
#[derive(Debug)]
pub struct OpenMedia {
    /// Positioned at its start.
    pub file: File,
    /// Tag, date and size at the moment of opening.
    pub validators: Validators,
}

/// Why the file cannot be served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// There is nothing of that name.
    Missing,
    /// There is, but not for this process, or not a regular file.
    Forbidden,
    /// The process has no descriptor left; later it may.
    OutOfDescriptors,
}

impl Media {
    /// Checks that `path` can be served now. The error says what it is instead, and the way out.
    pub fn at(path: PathBuf) -> Result<Self, String> {
        let shown = path.display();
        let way_out = "name a regular file that you can read: heapserve FILE";
        let metadata = path.metadata().map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{shown}: no such file; {way_out}"),
            _ => format!("{shown}: {error}; {way_out}"),
        })?;
        if !metadata.is_file() {
            let kind = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
            return Err(format!("{shown}: is {kind}; {way_out}"));
        }
        File::open(&path).map_err(|error| format!("{shown}: cannot be read: {error}; {way_out}"))?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            file_name: name.as_encoded_bytes().to_vec(),
            url_path: format!("/{}", percent_encoded(name.as_encoded_bytes())),
            media_type: media_type::of(&name.to_string_lossy()),
            disposition: disposition(&name.to_string_lossy()),
            shown: last_part(path.to_string_lossy().into_owned()),
            path,
        })
    }

    /// The file's size now, in bytes; 0 if it is gone.
    pub fn size_bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Opens the file as it is now.
    pub fn open(&self) -> Result<OpenMedia, Unavailable> {
        let file = platform::media_open_options().open(&self.path).map_err(unavailable)?;
        let metadata = file.metadata().map_err(unavailable)?;
        if !metadata.is_file() {
            return Err(Unavailable::Forbidden);
        }
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let validators = Validators::new(modified, metadata.len(), SystemTime::now());
        Ok(OpenMedia { file, validators })
    }
}

/// Keeps the end of a long path, so that it has room in a line of the trace.
fn last_part(path: String) -> String {
    const MOST_BYTES: usize = 400;
    match path.len().checked_sub(MOST_BYTES) {
        None | Some(0) => path,
        Some(start) => format!("…{}", &path[path.ceil_char_boundary(start)..]),
    }
}

fn unavailable(error: std::io::Error) -> Unavailable {
    /// EMFILE and ENFILE, which have the same numbers on Linux and macOS.
    const OUT_OF_DESCRIPTORS: [i32; 2] = [24, 23];
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Unavailable::Missing,
        _ if cfg!(unix) && error.raw_os_error().is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code)) => {
            Unavailable::OutOfDescriptors
        }
        _ => Unavailable::Forbidden,
    }
}
