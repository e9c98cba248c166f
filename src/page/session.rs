//! Logging in and out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{COOKIE, Visitor, cookie, is_same_origin};
use super::answer::{Refusal, blocking};
use super::context::Context;
use crate::operator::{Origin, Session};

/// No user's name has more bytes.
const LONGEST_NAME: usize = 160;

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
}

fn described(session: Option<&Session>, reads: bool, has_users: bool) -> Json<Value> {
    Json(json!({
        "user": session.map(|session| &session.user),
        "reads": reads,
        "acts": session.is_some_and(|session| session.acts),
        "login": has_users,
        "token": session.map(|session| &session.token),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

pub async fn show(visitor: Visitor) -> Json<Value> {
    let session = visitor.session.as_ref();
    described(session, visitor.may_read(), visitor.has_users)
}

pub async fn login(
    State(context): State<Arc<Context>>,
    visitor: Visitor,
    headers: HeaderMap,
    Json(Credentials { name, password }): Json<Credentials>,
) -> Result<Response, Refusal> {
    if !is_same_origin(&headers) {
        return Err(Refusal::forbidden("log in on this station's own page"));
    }
    if name.len() > LONGEST_NAME {
        return Err(wrong());
    }
    let keys = [format!("from {}", visitor.from), format!("as {name}")];
    let wait = |context: &Context| keys.iter().filter_map(|key| context.logins.wait(key)).max();
    if let Some(seconds) = wait(&context) {
        return Err(too_many(seconds));
    }
    let started = {
        let _one = context.logins.checking.lock().await;
        // Those who waited for the lock may have become too many.
        if let Some(seconds) = wait(&context) {
            return Err(too_many(seconds));
        }
        let (context, origin) = (
            Arc::clone(&context),
            Origin {
                user: name.clone(),
                from: visitor.from.clone(),
            },
        );
        blocking(move || {
            let Some(records) = context.own_operators()? else {
                return Ok(None);
            };
            if !records.password_is_right(&name, &password)? {
                records.note(&origin, "login refused", ("", ""), "")?;
                return Ok(None);
            }
            let key = records.start_session(&name)?;
            records.note(&origin, "login", ("", ""), "")?;
            Ok(records.session(&key)?.map(|session| (key, session)))
        })
        .await?
    };
    let Some((key, session)) = started else {
        keys.iter().for_each(|key| context.logins.failed(key));
        return Err(wrong());
    };
    keys.iter().for_each(|key| context.logins.passed(key));
    let secure = headers
        .get("x-forwarded-proto")
        .is_some_and(|p| p == "https");
    let secure = if secure { "; Secure" } else { "" };
    let set = format!("{COOKIE}={key}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200{secure}");
    Ok(with_cookie(&set, described(Some(&session), true, true)))
}

pub async fn logout(
    State(context): State<Arc<Context>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if !is_same_origin(&headers) {
        return Err(Refusal::forbidden("log out on this station's own page"));
    }
    if let Some(key) = cookie(&headers) {
        context.read_operators(|records| Ok(records.end_session(key)?))?;
    }
    let reads = !visitor.has_users && visitor.is_local;
    let set = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(with_cookie(&set, described(None, reads, visitor.has_users)))
}

fn wrong() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "name or password is wrong: try again, or ask who runs the station for `aecsad users add`",
    )
}

fn with_cookie(cookie: &str, body: Json<Value>) -> Response {
    let mut response = body.into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn too_many(seconds: u64) -> Refusal {
    Refusal {
        retry_after: Some(seconds),
        ..Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("too many attempts to log in: wait {seconds} s"),
        )
    }
}
