//! The files of the live page, which are part of the program.

#[derive(Debug, PartialEq, Eq)]
pub struct File {
    path: &'static str,
    pub media_type: &'static str,
    pub text: &'static str,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! scripts {
    ($($name:literal)*) => {
        &[$(File { path: concat!("/heap/", $name), media_type: JAVASCRIPT, text: include_str!($name) }),*]
    };
}

static HTML: File = File { path: "/heap", media_type: "text/html; charset=utf-8", text: include_str!("page.html") };
static CSS: File =
    File { path: "/heap/page.css", media_type: "text/css; charset=utf-8", text: include_str!("page.css") };
static SCRIPTS: &[File] = scripts! {
    "address.js" "cards.js" "chart.js" "checked.js" "clock.js" "connection.js" "cursor.js"
    "export.js" "fill.js" "form.js" "history.js" "labels.js" "lanes.js" "legend.js" "lookout-worker.js"
    "lookout.js" "page.js" "pen.js" "scale.js" "second.js" "sentence.js" "server.js" "table.js"
    "theme.js" "units.js" "view.js" "viewers.js"
};

impl File {
    pub fn at(path: &[u8]) -> Option<&'static Self> {
        [&HTML, &CSS].into_iter().chain(SCRIPTS).find(|file| file.path.as_bytes() == path)
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
        assert_eq!(names.len(), SCRIPTS.len() + 2);
    }
}
