//! The page beside the line, and the HTTP interface that it and other programs use (`docs/http-api.md`). All of it runs on
//! threads of its own, behind those of the line, and within fixed bounds.

mod access;
mod answer;
mod assets;
mod calibration;
mod context;
pub mod live;
mod login_limiter;
mod parts;
pub mod reviewed;
mod server;
mod service;
mod session;
pub mod shown;
mod slots;
mod support;
mod threshold;
pub mod threshold_view;
mod trend;

use answer::Refusal;
pub use context::Context;
pub use server::{PageServer, listen};

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

/// The largest body of a request, but for a bundle that is flashed.
const MAX_BODY: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
#[error(
    "the page and the metrics can't be served on {address} ({reason}): close the program that holds it, or correct `monitor.listen` in the station file"
)]
pub struct PageError {
    pub address: SocketAddr,
    pub reason: String,
}

fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/metrics", get(service::metrics))
        .route("/api/session", get(session::show))
        .route("/api/login", post(session::login))
        .route("/api/logout", post(session::logout))
        .route("/api/state", get(service::state))
        .route("/api/events", get(service::events))
        .route("/api/live/seen.jpg", get(service::seen))
        .route("/api/live/heat.jpg", get(service::heat))
        .route("/api/live/frame.jpg", get(service::seen))
        .route("/api/camera", get(service::camera))
        .route("/api/station", get(service::station))
        .route("/api/actions", get(service::actions))
        .route("/api/support.tar", get(support::download))
        .route("/api/parts", get(parts::list))
        .route("/api/counts", get(parts::counts))
        .route("/api/parts/{run}/{part}", get(parts::one))
        .route("/api/parts/{run}/{part}/{file}", get(parts::picture))
        .route("/api/parts/{run}/{part}/review", post(parts::review))
        .route("/api/reviewed.tar", get(reviewed::download))
        .route("/api/threshold", get(threshold::show).post(threshold::set))
        .route("/api/threshold/undo", post(threshold::undo))
        .route("/api/trend", get(trend::show))
        .route(
            "/api/calibration",
            get(calibration::show).post(calibration::start),
        )
        .route("/api/calibration/apply", post(calibration::apply))
        .route("/api/calibration/discard", post(calibration::discard))
        .route("/api/calibration/parts.png", get(calibration::parts))
        .route("/api/slots", get(slots::show))
        .route("/api/slots/rollback", post(slots::rollback))
        .route("/api/slots/select", post(slots::select))
        .route(
            "/api/slots/flash",
            post(slots::flash).layer(DefaultBodyLimit::disable()),
        )
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(map_response(protected))
        .with_state(context)
}

/// An error that the library answers in plain text, as all others.
async fn in_json(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || kind.is_some_and(|kind| kind == "application/json") {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, MAX_BODY).await;
    let text = text.unwrap_or_default();
    let said = match String::from_utf8_lossy(&text) {
        said if said.trim().is_empty() => status.to_string(),
        said => said.trim().to_owned(),
    };
    let sentence = format!("{said}: docs/http-api.md describes each request");
    let mut answer = Refusal::new(status, sentence).into_response();
    // What the status needs, as the methods that a 405 names.
    for (name, value) in &parts.headers {
        answer.headers_mut().entry(name).or_insert(value.clone());
    }
    answer
}

/// Headers that keep a browser from mixing this page with others, as OWASP's Secure Headers Project lists them.
async fn protected(response: Response) -> Response {
    let mut response = in_json(response).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'self'; img-src 'self' blob:; style-src 'self'; script-src 'self'; \
             object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
