//! The files that the page is made of, built into the program.

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    path: &'static str,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// All of it.
    pub text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

static FILES: &[File] = &[
    File::new("/heap", HTML, include_str!("page.html")),
    File::new("/heap/page.css", CSS, include_str!("page.css")),
    File::new("/heap/page.js", JAVASCRIPT, include_str!("page.js")),
];

impl File {
    const fn new(path: &'static str, media_type: &'static str, text: &'static str) -> Self {
        Self { path, media_type, text }
    }

    /// The file with this path.
    pub fn at(path: &[u8]) -> Option<&'static Self> {
        FILES.iter().find(|file| file.path.as_bytes() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that the table has forgotten would be a 404 in the browser alone.
    #[test]
    fn every_file_of_the_page_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let is_ours = |name: &String| [".html", ".css", ".js"].iter().any(|end| name.ends_with(end));
        let names: Vec<_> = names.map(|name| name.into_string().unwrap()).filter(is_ours).collect();
        for name in &names {
            let path = if name == "page.html" { "/heap".to_owned() } else { format!("/heap/{name}") };
            assert!(File::at(path.as_bytes()).is_some(), "{path}");
        }
        assert_eq!(names.len(), FILES.len());
    }
}
