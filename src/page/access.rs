//! Who may look and who may act. Reading needs a session wherever users exist; acting needs a session with that right, its
//! token in a header that another site's page can't set, and an origin of this station's own.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::answer::Refusal;
use super::context::Context;
use crate::operator::{Origin, Session};

pub const COOKIE: &str = "aecsad";
pub const TOKEN_HEADER: &str = "x-aecsad-token";

/// The address of a connection's other end.
#[derive(Clone, Copy)]
pub struct Peer(pub IpAddr);

/// A user, or a visitor on this machine, who may look.
pub struct Viewer;

/// A user who may act.
pub struct Actor(pub Origin);

/// A request with its session, whatever that may do.
pub struct Visitor {
    pub session: Option<Session>,
    pub has_users: bool,
    /// Whether the request comes straight from this machine.
    pub is_local: bool,
    pub from: String,
}

impl Visitor {
    pub fn may_read(&self) -> bool {
        match self.has_users {
            true => self.session.is_some(),
            false => self.is_local,
        }
    }
}

impl FromRequestParts<Arc<Context>> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Refusal> {
        let peer = parts.extensions.get::<Peer>().copied();
        let key = cookie(&parts.headers);
        let found = context.read_operators(|records| {
            let session = match key {
                Some(key) => records.session(key)?,
                None => None,
            };
            Ok((records.has_users()?, session))
        })?;
        let (has_users, session) = found.unwrap_or_default();
        let forwarded = forwarded_for(&parts.headers);
        let near = peer.is_some_and(|Peer(address)| address.to_canonical().is_loopback());
        Ok(Visitor {
            session,
            has_users,
            is_local: near
                && forwarded.is_none()
                && context.address.ip().is_loopback()
                && names_this_machine(&parts.headers),
            from: match (forwarded, peer) {
                // Only a proxy on this machine is believed.
                (Some(address), _) if near => address.to_string(),
                (_, Some(Peer(address))) => address.to_canonical().to_string(),
                _ => "unknown".into(),
            },
        })
    }
}

impl FromRequestParts<Arc<Context>> for Viewer {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Refusal> {
        let visitor = Visitor::from_request_parts(parts, context).await?;
        match visitor.may_read() {
            true => Ok(Viewer),
            false if visitor.has_users => Err(not_logged_in()),
            false => Err(Refusal::forbidden(
                "this station has no users yet: add one on the station with `aecsad users add NAME`",
            )),
        }
    }
}

impl FromRequestParts<Arc<Context>> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Refusal> {
        let visitor = Visitor::from_request_parts(parts, context).await?;
        let session = match visitor.session {
            Some(session) => session,
            None if visitor.has_users => return Err(not_logged_in()),
            None => {
                return Err(Refusal::new(
                    StatusCode::UNAUTHORIZED,
                    "only a user may act: add one on the station with `aecsad users add NAME --act`",
                ));
            }
        };
        if !session.acts {
            let name = &session.user;
            return Err(Refusal::forbidden(format!(
                "{name} may only look: `aecsad users add {name} --act` on the station gives the right to act"
            )));
        }
        let token = parts.headers.get(TOKEN_HEADER);
        let token = token.and_then(|token| token.to_str().ok());
        if token != Some(&session.token) || !is_same_origin(&parts.headers) {
            return Err(Refusal::forbidden(
                "the request does not come from this station's page: reload the page and try again",
            ));
        }
        Ok(Actor(Origin {
            user: session.user,
            from: visitor.from,
        }))
    }
}

fn not_logged_in() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "no user is logged in here: log in first",
    )
}

/// The session's key in the request's cookies.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, key)| key)
}

/// Whether a browser's request comes from a page of the same host. Other programs send no origin.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text(header::ORIGIN.as_str()) {
        None => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(header::HOST.as_str())
        }
    }
}

/// Whether the request names this machine as its host. Another name that leads here is a trick to read the page from a
/// site's script (DNS rebinding).
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    });
    match name.map(|name| name.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(name) => name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// The last address that a proxy reports.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").iter().next_back()?;
    let last = value.to_str().ok()?.rsplit(',').next()?;
    // An entry that can't be read still shows that there is a proxy.
    Some(last.trim().parse().unwrap_or(IpAddr::from([0, 0, 0, 0])))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_session_s_cookie_is_found_among_others() {
        let found = |value| cookie(&headers(&[("cookie", value)])).map(str::to_owned);
        assert_eq!(found("a=b; aecsad=key; c=d").as_deref(), Some("key"));
        assert_eq!(found("xaecsad=key"), None);
    }

    #[test]
    fn only_this_station_s_page_is_of_the_same_origin() {
        let same = |origin, host| is_same_origin(&headers(&[("origin", origin), ("host", host)]));
        assert!(same("http://station:9464", "station:9464"));
        assert!(!same("http://evil:9464", "station:9464"));
        assert!(!same("null", "station:9464"));
        assert!(is_same_origin(&headers(&[("host", "station")])));
    }

    #[test]
    fn another_name_that_leads_here_is_not_this_machine() {
        let named = |host| names_this_machine(&headers(&[("host", host)]));
        assert!(named("127.0.0.1:9464") && named("localhost") && named("[::1]:9464"));
        assert!(!named("evil.example:9464") && !named("10.0.0.7"));
        assert!(!names_this_machine(&HeaderMap::new()));
    }
}
