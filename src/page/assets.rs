//! The page's own files, which are part of the program. No file of the disk is served by its name.

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::access::Visitor;
use super::answer::Refusal;

struct Asset {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

macro_rules! assets {
    ($($name:literal as $content_type:expr),* $(,)?) => {
        &[$(Asset {
            path: concat!("/", $name),
            content_type: $content_type,
            content: include_str!(concat!("assets/", $name)),
        }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

const ASSETS: &[Asset] = assets![
    "actions.js" as SCRIPT,
    "api.js" as SCRIPT,
    "app.js" as SCRIPT,
    "ask.js" as SCRIPT,
    "calibrate.js" as SCRIPT,
    "camera.js" as SCRIPT,
    "chart.js" as SCRIPT,
    "counting.js" as SCRIPT,
    "de.json" as JSON,
    "dom.js" as SCRIPT,
    "en.json" as JSON,
    "figures.js" as SCRIPT,
    "flash.js" as SCRIPT,
    "histogram.js" as SCRIPT,
    "icon.svg" as SVG,
    "index.html" as HTML,
    "language.js" as SCRIPT,
    "last_reject.js" as SCRIPT,
    "layers.js" as SCRIPT,
    "line.js" as SCRIPT,
    "live.js" as SCRIPT,
    "login.js" as SCRIPT,
    "messages.js" as SCRIPT,
    "notices.js" as SCRIPT,
    "part.js" as SCRIPT,
    "rejects.js" as SCRIPT,
    "rights.js" as SCRIPT,
    "score_bar.js" as SCRIPT,
    "service.js" as SCRIPT,
    "slots.js" as SCRIPT,
    "station_file.js" as SCRIPT,
    "strip.js" as SCRIPT,
    "style.css" as CSS,
    "teach.js" as SCRIPT,
    "threshold.js" as SCRIPT,
    "trend.js" as SCRIPT,
    "trend_charts.js" as SCRIPT,
    "verdict.js" as SCRIPT,
    "views.css" as CSS,
];

/// Shown where no one may look yet.
const NO_USERS: &str = include_str!("assets/no-users.html");

pub async fn serve(visitor: Result<Visitor, Refusal>, method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "use GET for files of the page",
        )
        .into_response();
    }
    let path = match uri.path() {
        "/" => "/index.html",
        path => path,
    };
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == path) else {
        return Refusal::not_found("there is no such address: docs/http-api.md lists all")
            .into_response();
    };
    let shut = visitor.is_ok_and(|visitor| !visitor.has_users && !visitor.is_local);
    if shut && path == "/index.html" {
        let content_type = [(header::CONTENT_TYPE, HTML)];
        return (StatusCode::FORBIDDEN, content_type, NO_USERS).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, asset.content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page/assets");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let served = ASSETS.iter().any(|asset| asset.path[1..] == name);
            assert!(served || name == "no-users.html", "{name}");
        }
    }
}
