//! Answers that no Bot API server should give: updates that are no JSON, numbers beyond every bound, bodies without end.

use std::time::Duration;

use serde_json::json;
use stenobot_domain::{ChatId, MessageId};
use stenobot_telegram::{Content, Incoming, MAX_PAUSE, TelegramError, UpdateKind};

use super::stub::{Answer, Stub};

/// A body with these updates.
fn batch(updates: &[&[u8]]) -> Vec<u8> {
    [b"{\"ok\":true,\"result\":[", updates.join(&b","[..]).as_slice(), b"]}"].concat()
}

/// A voice message in the bytes of the Bot API; `more` are further fields, each with a comma before it.
fn voice(update_id: i64, more: &[u8]) -> Vec<u8> {
    let head = format!(
        r#"{{"update_id":{update_id},"message":{{"message_id":70,"from":{{"id":5,"is_bot":false,"first_name":"A"}},"chat":{{"id":5,"type":"private"}},"voice":{{"file_id":"f","file_unique_id":"u","duration":3}}"#
    );
    [head.as_bytes(), more, b"}}"].concat()
}

async fn read(body: Vec<u8>) -> Result<Vec<Incoming>, TelegramError> {
    Stub::start([Answer::Whole(200, body)]).await.client().updates(None, Duration::ZERO).await
}

fn kinds(read: Result<Vec<Incoming>, TelegramError>) -> Vec<(i64, UpdateKind)> {
    read.unwrap().iter().map(|incoming| (incoming.update_id, incoming.content.kind())).collect()
}

fn nested(depth: usize) -> Vec<u8> {
    ["{\"a\":[".repeat(depth), "]}".repeat(depth)].concat().into_bytes()
}

#[tokio::test]
async fn an_update_that_serde_cannot_parse_affects_no_other() {
    let with = |more: &[u8]| voice(11, more);
    let (deep, bottomless) = (nested(200), nested(100_000));
    for (poison, wanted) in [
        // The invalid part is not used, or can be replaced: the message is served.
        (with(br#","caption":"\ud800 x""#), UpdateKind::Voice),
        (with(br#","caption":"x\udc00\ud83d""#), UpdateKind::Voice),
        (with(b",\"caption\":\"\xff\xfe\xc3(\""), UpdateKind::Voice),
        (with(b",\"caption\":\"two\nlines\x00\""), UpdateKind::Voice),
        (with(br#","caption":"\x41\u12""#), UpdateKind::Voice),
        (with(br#","date":1e999,"edit_date":99999999999999999999999999"#), UpdateKind::Voice),
        (with(&[b",\"entities\":", deep.as_slice()].concat()), UpdateKind::Voice),
        (with(&[b",\"entities\":", bottomless.as_slice()].concat()), UpdateKind::Voice),
        (with(&[b",\"reply_to_message\":", bottomless.as_slice()].concat()), UpdateKind::Voice),
        (with(b",\"reply_to_message\":{\"caption\":\"\xff\"}"), UpdateKind::Voice),
        (with(br#","caption_entities":[{"type":"\ud800"}]"#), UpdateKind::Voice),
        // The invalid part is needed, or is no JSON at all.
        (with(br#","text":1e999"#), UpdateKind::Unreadable),
        (with(br#","text":"x","text":"y""#), UpdateKind::Unreadable),
        (with(br#","date":NaN"#), UpdateKind::Unreadable),
        (with(br#","caption":"he said "hi" there""#), UpdateKind::Unreadable),
        (with(br#" "caption":"no comma""#), UpdateKind::Unreadable),
        (br#"{"update_id":11 "message":{}}"#.to_vec(), UpdateKind::Unreadable),
        (br#"{"update_id":11,"message":null}"#.to_vec(), UpdateKind::Unreadable),
        (br#"{"update_id":11,"message":{"message_id":1e999}}"#.to_vec(), UpdateKind::Unreadable),
        (br#"{"update_id":11,"callback_query":{"id":"\ud800"}}"#.to_vec(), UpdateKind::Unreadable),
    ] {
        let shown = String::from_utf8_lossy(&poison[..poison.len().min(400)]).into_owned();
        let together = kinds(read(batch(&[&voice(10, b""), &poison, &voice(12, b"")])).await);
        assert_eq!(together, [(10, UpdateKind::Voice), (11, wanted), (12, UpdateKind::Voice)], "{shown}");
        let alone = kinds(read(batch(&[&poison])).await);
        assert_eq!(alone, [(11, wanted)], "{shown}");
    }
}

#[tokio::test]
async fn an_unterminated_first_update_is_skipped() {
    // One quote too many: everything after it might be a string.
    let poison = voice(11, br#","caption":"he said " and no more""#);
    let after = voice(12, b"");
    assert_eq!(kinds(read(batch(&[&voice(10, b""), &poison, &after])).await), [(10, UpdateKind::Voice)]);
    assert_eq!(kinds(read(batch(&[&poison, &after])).await), [(11, UpdateKind::Unreadable)]);
    // Without a number nothing can be acknowledged, and a truncated body is retried.
    assert_eq!(read(batch(&[br#"{"message":""x"}"#])).await, Err(TelegramError::Server));
    let whole = batch(&[&poison, &after]);
    for cut in [1, 2, 40, 200] {
        assert_eq!(read(whole[..whole.len() - cut].to_vec()).await, Err(TelegramError::Server), "{cut}");
    }
}

#[tokio::test]
async fn numbers_of_updates_have_64_bits_in_both_directions() {
    for id in [i64::from(i32::MAX), 1 << 31, (1 << 53) + 1, i64::MAX - 1] {
        let empty = Answer::Whole(200, batch(&[]));
        let stub = Stub::start([Answer::Whole(200, batch(&[&voice(id, b"")])), empty]).await;
        let client = stub.client();
        assert_eq!(kinds(client.updates(None, Duration::ZERO).await), [(id, UpdateKind::Voice)]);
        assert_eq!(client.updates(Some(id + 1), Duration::ZERO).await, Ok(vec![]));
        assert_eq!(stub.asked()[1].body["offset"], json!(id + 1));
    }
    // No number follows this one, so it cannot be acknowledged.
    assert_eq!(read(batch(&[&voice(i64::MAX, b"")])).await, Err(TelegramError::Server));
}

#[tokio::test]
async fn a_pause_of_years_is_shortened_to_an_hour() {
    for seconds in [3601, 1_000_000_000, u64::MAX] {
        let refusal = json!({"ok": false, "error_code": 429, "description": "Too Many Requests",
            "parameters": {"retry_after": seconds}});
        let stub = Stub::start([
            Answer::json(429, refusal.clone()),
            Answer::json(429, refusal),
            Answer::Whole(200, batch(&[])),
        ])
        .await;
        let client = stub.client();
        let message = client.edit(ChatId(7), MessageId(1), &"x".to_owned().into()).await;
        assert_eq!(message, Err(TelegramError::RetryAfter(MAX_PAUSE)));
        assert_eq!(client.updates(None, Duration::ZERO).await, Err(TelegramError::RetryAfter(MAX_PAUSE)));
        assert_eq!(stub.calls()[1].retry_after, Some(MAX_PAUSE));
        tokio::time::pause();
        tokio::time::advance(MAX_PAUSE - Duration::from_secs(1)).await;
        assert!(client.updates(None, Duration::ZERO).await.is_err());
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        assert_eq!(client.updates(None, Duration::ZERO).await, Ok(vec![]), "it polls on after an hour");
        assert_eq!(stub.asked().len(), 3);
    }
}

#[tokio::test]
async fn an_oversized_batch_is_read_in_part_and_an_oversized_update_is_skipped() {
    // A hundred updates of 100 KB each: more than is read at once, and none is lost.
    let caption = [br#","caption":""#.as_slice(), &vec![b'x'; 100_000], b"\""].concat();
    let updates: Vec<Vec<u8>> = (1..=100).map(|id| voice(id, &caption)).collect();
    let all: Vec<&[u8]> = updates.iter().map(Vec::as_slice).collect();
    let first = kinds(read(batch(&all)).await);
    assert!((35..45).contains(&first.len()), "{}", first.len());
    let left = kinds(read(batch(&all[first.len()..])).await);
    let ids: Vec<i64> = first.iter().chain(&left).map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>());

    // One of 16 MiB. With others before it, those come first.
    let objects = [br#","entities":[{}"#.as_slice(), ",{}".repeat(16 << 20 >> 2).as_bytes(), b"]"].concat();
    let huge = voice(11, &objects);
    assert_eq!(kinds(read(batch(&[&voice(10, b""), &huge])).await), [(10, UpdateKind::Voice)]);
    assert_eq!(kinds(read(batch(&[&huge, &voice(12, b"")])).await), [(11, UpdateKind::Unreadable)]);
    // A server that keeps to no limit: no more than a hundred are looked at.
    let many: Vec<Vec<u8>> = (1..=1000).map(|id| voice(id, b"")).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    assert_eq!(read(batch(&many)).await.unwrap().len(), 100);
    let nothing = format!(r#"{{"ok":true,"result":[{{}}{}]}}"#, ",{}".repeat(16 << 20 >> 2));
    assert_eq!(read(nothing.into_bytes()).await, Err(TelegramError::Server));
}

/// A message in a private chat or a group, whose author is another by `mark`.
async fn carried(kind: &str, more: &str, mark: &str) -> Content {
    let chat = if kind == "private" { 5 } else { -100_500 };
    let update = format!(
        r#"{{"update_id":1,"message":{{"message_id":70,"from":{{"id":5,"is_bot":false,"first_name":"A"}},"chat":{{"id":{chat},"type":"{kind}"}},{more}{mark}}}}}"#
    );
    read(batch(&[update.as_bytes()])).await.unwrap().remove(0).content
}

#[tokio::test]
async fn forwarded_texts_and_texts_of_inline_bots_are_no_commands() {
    let sound = r#""voice":{"file_id":"f","file_unique_id":"u","duration":3}"#;
    let replied = format!(r#""reply_to_message":{{"message_id":60,{sound}}}"#);
    for mark in [
        r#","forward_origin":{"type":"user","date":1,"sender_user":{"id":9,"is_bot":false,"first_name":"B"}}"#,
        r#","forward_origin":{"type":"hidden_user","date":1,"sender_user_name":"B"}"#,
        r#","forward_origin":{"type":"of a kind to come"}"#,
        r#","forward_from":{"id":9,"is_bot":false,"first_name":"B"},"forward_date":1"#,
        r#","via_bot":{"id":9,"is_bot":true,"first_name":"B"}"#,
        r#","via_bot":{"id":9,"is_bot":true,"first_name":"B"},"is_automatic_forward":true"#,
    ] {
        for text in ["/ban 6", "/auto on", "/language", "/transcribe", "/start"] {
            let more = format!(r#""text":"{text}",{replied}"#);
            let own = carried("private", &more, "").await.kind();
            assert!(matches!(own, UpdateKind::Command | UpdateKind::Voice), "{text}");
            assert_eq!(carried("private", &more, mark).await.kind(), UpdateKind::Other, "{text}{mark}");
            assert_eq!(carried("supergroup", &more, mark).await.kind(), UpdateKind::Group, "{text}{mark}");
        }
        // A recording is transcribed whatever its author; in a group its caption requests nothing.
        let more = format!(r#"{sound},"caption":"/transcribe""#);
        assert_eq!(carried("private", &more, mark).await.kind(), UpdateKind::Voice);
        let content = carried("supergroup", &more, mark).await;
        assert!(
            matches!(&content, Content::Voice(voice) if voice.asked_by == stenobot_telegram::AskedBy::Itself)
                || mark.contains("is_automatic_forward"),
            "{content:?}"
        );
    }
}
