//! Which requests are refused.

use reqwest::header::{CONTENT_SECURITY_POLICY, HOST, ORIGIN};
use reqwest::{Client, StatusCode};

use crate::scene::PageServer;

#[tokio::test]
async fn only_the_page_itself_is_served() {
    let server = PageServer::without_bot().await;
    let url = server.url();
    let origin = &url[..url.match_indices('/').nth(2).unwrap().0];
    let client = Client::new();

    let page = client.get(url).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");

    for path in ["/", "/page.js", "/0123456789abcdef0123456789abcdef/"] {
        assert_eq!(
            client.get(format!("{origin}{path}")).send().await.unwrap().status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let rebound = client.get(url).header(HOST, "rebound.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    let text = |origin: &str| {
        let request = client.post(format!("{url}people/1/en/text")).header("Content-Type", "application/json");
        request.header(ORIGIN, origin.to_owned()).body(r#"{"text":"hello"}"#).send()
    };
    assert_eq!(text("http://other.example").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(server.api.read(|state| state.chats.is_empty()), "a foreign page has acted");
    assert_eq!(text(origin).await.unwrap().status(), StatusCode::NO_CONTENT);
    for path in ["people/0/en/text", "people/11/en/text", "people/1/xx/text"] {
        let request = client.post(format!("{url}{path}")).header("Content-Type", "application/json");
        let status = request.body(r#"{"text":"hello"}"#).send().await.unwrap().status();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
    }
    server.playground.stop().await;
}

#[tokio::test]
async fn uploads_are_bounded_with_and_without_a_content_length() {
    let server = PageServer::without_bot().await;
    let upload = |body: reqwest::Body| {
        let url = format!("{}people/1/en/file/1/one.mp3", server.url());
        Client::new().post(url).header("Content-Type", "audio/mpeg").body(body).send()
    };
    const LIMIT: usize = 64 * 1024;
    assert_eq!(upload(vec![1; LIMIT].into()).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(upload(vec![1; LIMIT + 1].into()).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let pieces = (0..=LIMIT / 1024).map(|_| Ok::<_, std::io::Error>(vec![1_u8; 1024]));
    let streamed = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    assert_eq!(upload(streamed).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(upload(Vec::new().into()).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let sent = server.api.read(|state| state.chats.values().map(|chat| chat.messages.len()).sum::<usize>());
    assert_eq!(sent, 1);
}
