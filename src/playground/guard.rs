//! Access checks of all requests, and security headers of all responses.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;

/// The page may load from and connect to its own origin only, and may not be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      media-src 'self' blob:; img-src 'self' data:; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Refuses requests for another host name (DNS rebinding) or from a page of another origin.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = if is_ours(request.headers(), shared.address) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_ours(headers: &HeaderMap, address: SocketAddr) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let hosts = [address.to_string(), format!("localhost:{}", address.port())];
    let Some(host) = text(header::HOST).filter(|host| hosts.iter().any(|own| own == host)) else { return false };
    // Browsers send the origin with every request other than GET and HEAD.
    text(header::ORIGIN).is_none_or(|origin| origin.strip_prefix("http://") == Some(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_address_and_its_own_page_are_served() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let ours = |headers: &[(HeaderName, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            is_ours(&headers.collect(), address)
        };
        assert!(ours(&[(header::HOST, "127.0.0.1:8080")]));
        assert!(ours(&[(header::HOST, "localhost:8080"), (header::ORIGIN, "http://localhost:8080")]));
        assert!(!ours(&[]));
        assert!(!ours(&[(header::HOST, "evil.example:8080")]));
        assert!(!ours(&[(header::HOST, "127.0.0.1:8081")]));
        assert!(!ours(&[(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, "http://evil.example")]));
        assert!(!ours(&[(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, "null")]));
    }
}
