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

const ASSETS: &[Asset] = assets!["index.html" as HTML,];

/// Shown where nobody may look yet.
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
