//! The files of the live page, which are part of the program.

/// A file of the page.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    path: &'static str,
    /// The value of its `Content-Type`.
    pub media_type: &'static str,
    /// Its content.
    pub text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

static FILES: &[File] = &[
    File::new("/heap", HTML, include_str!("page.html")),
    File::new("/heap/page.css", CSS, include_str!("page.css")),
    File::new("/heap/address.js", JAVASCRIPT, include_str!("address.js")),
    File::new("/heap/cards.js", JAVASCRIPT, include_str!("cards.js")),
    File::new("/heap/chart.js", JAVASCRIPT, include_str!("chart.js")),
    File::new("/heap/checked.js", JAVASCRIPT, include_str!("checked.js")),
    File::new("/heap/connection.js", JAVASCRIPT, include_str!("connection.js")),
    File::new("/heap/cursor.js", JAVASCRIPT, include_str!("cursor.js")),
    File::new("/heap/export.js", JAVASCRIPT, include_str!("export.js")),
    File::new("/heap/fill.js", JAVASCRIPT, include_str!("fill.js")),
    File::new("/heap/form.js", JAVASCRIPT, include_str!("form.js")),
    File::new("/heap/history.js", JAVASCRIPT, include_str!("history.js")),
    File::new("/heap/labels.js", JAVASCRIPT, include_str!("labels.js")),
    File::new("/heap/lanes.js", JAVASCRIPT, include_str!("lanes.js")),
    File::new("/heap/legend.js", JAVASCRIPT, include_str!("legend.js")),
    File::new("/heap/lookout-worker.js", JAVASCRIPT, include_str!("lookout-worker.js")),
    File::new("/heap/lookout.js", JAVASCRIPT, include_str!("lookout.js")),
    File::new("/heap/page.js", JAVASCRIPT, include_str!("page.js")),
    File::new("/heap/pen.js", JAVASCRIPT, include_str!("pen.js")),
    File::new("/heap/scale.js", JAVASCRIPT, include_str!("scale.js")),
    File::new("/heap/second.js", JAVASCRIPT, include_str!("second.js")),
    File::new("/heap/sentence.js", JAVASCRIPT, include_str!("sentence.js")),
    File::new("/heap/server.js", JAVASCRIPT, include_str!("server.js")),
    File::new("/heap/table.js", JAVASCRIPT, include_str!("table.js")),
    File::new("/heap/theme.js", JAVASCRIPT, include_str!("theme.js")),
    File::new("/heap/units.js", JAVASCRIPT, include_str!("units.js")),
    File::new("/heap/view.js", JAVASCRIPT, include_str!("view.js")),
    File::new("/heap/viewers.js", JAVASCRIPT, include_str!("viewers.js")),
];

impl File {
    const fn new(path: &'static str, media_type: &'static str, text: &'static str) -> Self {
        Self { path, media_type, text }
    }

    /// The file at this path.
    pub fn at(path: &[u8]) -> Option<&'static Self> {
        FILES.iter().find(|file| file.path.as_bytes() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this test, a file that is missing in the table would be noticed only as a 404 in the browser.
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
