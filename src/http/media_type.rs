//! The `Content-Type` of a file, by its extension. The table has the types that browsers can play or show.

/// The media type of a file with this name, or `application/octet-stream` if the extension is not known.
pub fn of(file_name: &str) -> &'static str {
    let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "ogv" => "video/ogg",
        "ts" => "video/mp2t",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "weba" => "audio/webm",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "vtt" => "text/vtt; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_extension_decides() {
        let table = [
            ("powder-day.mp4", "video/mp4"),
            ("LOUD.MP4", "video/mp4"),
            ("a.b.opus", "audio/ogg"),
            ("page.html", "text/html; charset=utf-8"),
            ("mp4", "application/octet-stream"),
            ("archive.unheard-of", "application/octet-stream"),
        ];
        for (name, media_type) in table {
            assert_eq!(super::of(name), media_type, "{name}");
        }
    }
}
