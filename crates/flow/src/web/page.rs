//! The files of the page, which the program contains.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::reply::Failure;

/// The names and contents of files in the folder `page`.
macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../page/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = files! {
    "bands.js"
    "controls.js"
    "describe.js"
    "details.js"
    "draw.js"
    "flow.css"
    "format.js"
    "heat.js"
    "index.html"
    "interaction.js"
    "live.css"
    "live.js"
    "model.js"
    "panel.js"
    "player.js"
    "series.js"
    "stream.js"
    "strips.js"
    "theme.js"
};

pub(super) async fn index() -> Response {
    file(Path("index.html".to_owned())).await
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    let Some((_, content)) = FILES.iter().find(|file| file.0 == name) else {
        return Failure::not_found().into_response();
    };
    let kind = match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/html; charset=utf-8",
    };
    ([(header::CONTENT_TYPE, kind)], *content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_contains_every_file_of_the_page() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected: Vec<_> = FILES.iter().map(|file| file.0).collect();
        assert_eq!(names, expected);
    }
}
