//! The file that is served. A request never makes the program open any other path.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::http::head::disposition;
use crate::http::media_type;
use crate::http::precondition::Validators;
use crate::http::target::percent_encoded;
use crate::options::DEFAULT_FILE;
use crate::platform;

/// The file, by the path that the command line gives.
#[derive(Debug)]
pub struct Media {
    path: PathBuf,
    /// The last component of its path, in the bytes of the file system, for comparison with a request's target.
    pub file_name: Vec<u8>,
    /// Its path as the command line gives it, for display. A long path is cut at its start.
    pub shown: String,
    /// `/` and the file name, percent-encoded.
    pub url_path: String,
    pub media_type: &'static str,
    pub disposition: String,
}

impl Media {
    /// Checks that the file at `path` can be served now. The error says why not, and how to name another file.
    pub fn at(path: PathBuf) -> Result<Self, String> {
        let shown = last_part(path.to_string_lossy().into_owned());
        check(&path).map_err(|why| {
            let default = if path == Path::new(DEFAULT_FILE) { "the default file " } else { "" };
            format!("cannot serve {default}{shown}: {why}; give the path of a file to serve: heapserve FILE")
        })?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            file_name: name.as_encoded_bytes().to_vec(),
            url_path: format!("/{}", percent_encoded(name.as_encoded_bytes())),
            media_type: media_type::of(&name.to_string_lossy()),
            disposition: disposition(&name.to_string_lossy()),
            shown,
            path,
        })
    }

    /// The size of the file now, in bytes; 0 if the file is missing.
    pub fn size_bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Opens the current version of the file. The validators are those of the bytes. The errors are those of the
    /// system, and `PermissionDenied` if there is no regular file at the path any more.
    pub fn open(&self) -> io::Result<(File, Validators)> {
        let file = platform::open_media(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let changed = platform::last_change(&file, &metadata);
        Ok((file, Validators::new(modified, changed, metadata.len(), SystemTime::now())))
    }
}

/// Says why the file at `path` cannot be served, if it cannot.
fn check(path: &Path) -> Result<(), String> {
    let metadata = path.metadata().map_err(|error| match (error.kind(), env::current_dir()) {
        (ErrorKind::NotFound, Ok(folder)) if path.is_relative() => {
            format!("no such file in the folder {}", folder.display())
        }
        (ErrorKind::NotFound, _) => "no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(format!("it is {what}"));
    }
    match platform::open_media(path) {
        Err(error) if platform::is_busy(&error) => Err("another program holds it".to_owned()),
        opened => opened.map(drop).map_err(|error| error.to_string()),
    }
}

/// The end of a long path, so that a line of the trace has room for it.
fn last_part(path: String) -> String {
    const MOST_BYTES: usize = 400;
    match path.len().checked_sub(MOST_BYTES) {
        None | Some(0) => path,
        Some(start) => format!("…{}", &path[path.ceil_char_boundary(start)..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_served_is_explained() {
        let folder = env::current_dir().unwrap();
        let folder = folder.display();
        let table = [
            ("missing.mp4".to_owned(), format!("missing.mp4: no such file in the folder {folder};")),
            (format!("{folder}/missing.mp4"), format!("{folder}/missing.mp4: no such file;")),
            ("src".to_owned(), "src: it is a directory;".to_owned()),
        ];
        for (path, explained) in table {
            let message = Media::at(PathBuf::from(path)).unwrap_err();
            assert!(message.starts_with(&format!("cannot serve {explained}")), "{message}");
            assert!(message.ends_with("heapserve FILE"), "{message}");
        }
    }
}
