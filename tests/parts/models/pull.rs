//! Downloads from a server that cuts connections, lies and fails.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use sha1::{Digest, Sha1};
use stenobot_domain::RetryPolicy;
use stenobot_models::{
    Catalogue, Download, Family, ModelStore, ModelStoreError, Origin, PullError, Quantisation, Remedy,
};
use tokio::sync::Notify;

use super::synthetic::{Form, Synthetic};
use super::{names, offline};

/// Response of the server to one request.
enum Answer {
    /// The requested part.
    Serve,
    /// Sends this many bytes and drops the connection once they have arrived.
    Cut(usize),
    /// Sends the whole file, whatever part is requested.
    IgnoreRange,
    /// Sends other bytes of equal length.
    WrongBytes,
    /// Sends another file.
    Longer,
    Status(StatusCode),
}

/// Path, `Range` and `If-Range` of a request.
type Requested = (String, Option<String>, Option<String>);

struct Server {
    file: Vec<u8>,
    answers: Mutex<VecDeque<Answer>>,
    requested: Mutex<Vec<Requested>>,
    /// Notified when the client has received bytes.
    arrived: Arc<Notify>,
}

const TAG: &str = "\"first\"";

async fn answer(State(server): State<Arc<Server>>, uri: axum::http::Uri, headers: HeaderMap) -> Response {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap().to_owned());
    let (range, if_range) = (text(header::RANGE), text(header::IF_RANGE));
    server.requested.lock().unwrap().push((uri.path().to_owned(), range.clone(), if_range.clone()));
    let next = server.answers.lock().unwrap().pop_front().unwrap_or(Answer::Serve);
    let start = range.map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse::<usize>().unwrap());
    let length = server.file.len();
    let part = |start: usize, body: Body| {
        let status = if start > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let content_range = format!("bytes {start}-{}/{length}", length - 1);
        let headers = [
            (header::ETAG, TAG.to_owned()),
            (header::CONTENT_RANGE, content_range),
            (header::CONTENT_LENGTH, (length - start).to_string()),
        ];
        (status, headers, body).into_response()
    };
    match next {
        Answer::Serve => part(start, Body::from(server.file[start..].to_vec())),
        Answer::IgnoreRange => part(0, Body::from(server.file.clone())),
        Answer::Cut(bytes) => {
            let sent = Bytes::copy_from_slice(&server.file[start..start + bytes]);
            let arrived = server.arrived.clone();
            let cut = futures::stream::once(async move {
                arrived.notified().await;
                Err::<Bytes, _>(std::io::Error::other("the cable was pulled"))
            });
            part(start, Body::from_stream(futures::stream::once(async { Ok(sent) }).chain(cut)))
        }
        Answer::WrongBytes => part(0, Body::from(vec![0; length])),
        Answer::Longer => Body::from(vec![0; length + 1]).into_response(),
        Answer::Status(status) => status.into_response(),
    }
}

/// A store, its server, and the model `toy` that the server publishes in float16.
struct Bench {
    dir: tempfile::TempDir,
    server: Arc<Server>,
    store: ModelStore,
}

impl Bench {
    async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let synthetic = Synthetic::small(Form::F16);
        synthetic.write(&dir.path().join("folder"));
        let (maker, folder) = (offline(&dir.path().join("made")), dir.path().join("folder"));
        let made = maker.import(&folder, None, None, |_| {}).await.unwrap();
        let file = std::fs::read(made.path).unwrap();
        let sha1 = Sha1::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        let family =
            Family { name: "toy".into(), architecture: synthetic.architecture(), published: vec![(None, sha1)] };

        let answers = Mutex::new(answers.into_iter().collect());
        let server = Arc::new(Server { file, answers, requested: Mutex::default(), arrived: Arc::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/models/main", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let retries = RetryPolicy::bounded(3, Duration::from_millis(1), Duration::from_secs(60));
        let store = ModelStore::new(dir.path().join("store"), url.parse().unwrap())
            .with_catalogue(Catalogue::new(vec![family]))
            .with_retries(retries);
        Self { dir, server, store }
    }

    async fn ensure(&self, name: &str) -> Result<Vec<Download>, ModelStoreError> {
        let mut events = Vec::new();
        let model = self.store.ensure(name, |event| {
            if let Download::Receiving { .. } = event {
                self.server.arrived.notify_one();
            }
            events.push(event);
        });
        model.await.map(|_| events)
    }

    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    fn part(&self) -> std::path::PathBuf {
        self.folder().join("ggml-toy.bin.part")
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.server.requested.lock().unwrap().iter().map(|(_, range, _)| range.clone()).collect()
    }

    fn assert_whole(&self) {
        assert!(std::fs::read(self.folder().join("ggml-toy.bin")).unwrap() == self.server.file);
        assert_eq!(names(&self.folder()), ["ggml-toy.bin", "ggml-toy.bin.json"]);
    }
}

#[tokio::test]
async fn a_model_is_pulled_once_and_then_found() {
    let bench = Bench::new([]).await;
    let total = bench.server.file.len() as u64;
    let events = bench.ensure("toy").await.unwrap();
    bench.assert_whole();
    let last = events.iter().rfind(|event| matches!(event, Download::Receiving { .. })).unwrap();
    assert_eq!(*last, Download::Receiving { name: "toy".into(), done: total, total });
    assert!(bench.ensure("toy").await.unwrap().is_empty());
    assert_eq!(bench.store.find("toy").await.unwrap().origin, Origin::Published);
    let requested = bench.server.requested.lock().unwrap();
    assert_eq!(*requested, [("/models/main/ggml-toy.bin".to_owned(), None, None)]);
}

#[tokio::test]
async fn cut_connections_are_resumed_where_they_ended() {
    let bench = Bench::new([Answer::Cut(1000), Answer::Cut(2000)]).await;
    let events = bench.ensure("toy").await.unwrap();
    bench.assert_whole();
    assert_eq!(events.iter().filter(|event| matches!(event, Download::Waiting { .. })).count(), 2);
    let requested = bench.server.requested.lock().unwrap();
    let requested: Vec<_> = requested.iter().map(|(_, range, tag)| (range.as_deref(), tag.as_deref())).collect();
    assert_eq!(requested, [(None, None), (Some("bytes=1000-"), Some(TAG)), (Some("bytes=3000-"), Some(TAG))]);
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let bench = Bench::new([Answer::Cut(1000), Answer::IgnoreRange]).await;
    bench.ensure("toy").await.unwrap();
    bench.assert_whole();
}

#[tokio::test]
async fn a_request_is_repeated_after_a_server_error() {
    let unwell = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY];
    let bench = Bench::new(unwell.map(Answer::Status)).await;
    bench.ensure("toy").await.unwrap();
    bench.assert_whole();
}

#[tokio::test]
async fn received_bytes_are_kept_for_the_next_run() {
    let failing = || Answer::Status(StatusCode::SERVICE_UNAVAILABLE);
    let bench = Bench::new([Answer::Cut(5000), failing(), failing(), failing(), failing()]).await;
    let error = bench.ensure("toy").await.unwrap_err();
    assert!(matches!(error, ModelStoreError::Pull { why: PullError::Network(_), .. }), "{error}");
    assert_eq!(names(&bench.folder()), ["ggml-toy.bin.part"]);
    assert_eq!(std::fs::metadata(bench.part()).unwrap().len(), 5000);
    assert!(matches!(bench.store.find("toy").await.unwrap_err(), ModelStoreError::Missing(_)));

    bench.server.answers.lock().unwrap().clear();
    bench.ensure("toy").await.unwrap();
    bench.assert_whole();
    assert_eq!(bench.ranges().last().unwrap().as_deref(), Some("bytes=5000-"));
}

#[tokio::test]
async fn a_partial_download_of_another_file_is_discarded() {
    for leftover in [vec![7; 4000], vec![7; 10_000_000]] {
        let bench = Bench::new([]).await;
        std::fs::create_dir(bench.folder()).unwrap();
        std::fs::write(bench.part(), leftover).unwrap();
        bench.ensure("toy").await.unwrap();
        bench.assert_whole();
    }
}

#[tokio::test]
async fn wrong_bytes_are_deleted() {
    let bench = Bench::new([Answer::WrongBytes]).await;
    let error = bench.ensure("toy").await.unwrap_err();
    assert!(matches!(error, ModelStoreError::WrongHash { .. }), "{error}");
    assert!(error.to_string().contains("check model_base_url"), "{error}");
    assert!(names(&bench.folder()).is_empty());
    assert_eq!(bench.ranges().len(), 1);
}

#[tokio::test]
async fn another_length_is_refused_before_it_is_downloaded() {
    let bench = Bench::new([Answer::Longer]).await;
    let error = bench.ensure("toy").await.unwrap_err();
    assert!(matches!(error, ModelStoreError::Pull { why: PullError::Length { .. }, .. }), "{error}");
    assert_eq!(std::fs::metadata(bench.part()).unwrap().len(), 0);
}

#[tokio::test]
async fn a_refusal_is_final() {
    for status in [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN] {
        let bench = Bench::new([Answer::Status(status)]).await;
        let error = bench.ensure("toy").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("toy cannot be downloaded: the server answers {status}; check model_base_url and the model's name")
        );
        assert_eq!(bench.ranges().len(), 1);
    }
}

#[tokio::test]
async fn a_full_disk_is_named() {
    let bench = Bench::new([]).await;
    std::fs::create_dir(bench.folder()).unwrap();
    std::os::unix::fs::symlink("/dev/full", bench.part()).unwrap();
    let error = bench.ensure("toy").await.unwrap_err();
    assert!(matches!(error, ModelStoreError::Pull { why: PullError::Full, .. }), "{error}");
    assert!(error.to_string().contains("the disk is full; free some space"), "{error}");
}

/// The length exceeds any disk.
#[tokio::test]
async fn a_disk_without_space_is_detected_before_the_download() {
    let bench = Bench::new([]).await;
    let mut architecture = Synthetic::small(Form::F16).architecture();
    architecture.tokens = u32::MAX;
    architecture.text_state = 1 << 20;
    let family = Family { name: "toy".into(), architecture, published: vec![(None, "0".repeat(40))] };
    let store = bench.store.clone().with_catalogue(Catalogue::new(vec![family]));
    let error = store.ensure("toy", |_| {}).await.unwrap_err();
    assert!(matches!(error, ModelStoreError::NoSpace { .. }), "{error}");
    assert!(bench.ranges().is_empty());
}

#[tokio::test]
async fn two_processes_do_not_write_the_same_download() {
    let bench = Bench::new([]).await;
    std::fs::create_dir(bench.folder()).unwrap();
    let other = std::fs::File::create(bench.part()).unwrap();
    other.lock().unwrap();
    let error = bench.ensure("toy").await.unwrap_err();
    assert!(matches!(error, ModelStoreError::Pull { why: PullError::Busy, .. }), "{error}");
    drop(other);
    bench.ensure("toy").await.unwrap();
    bench.assert_whole();
}

#[tokio::test]
async fn a_damaged_model_is_replaced_by_the_published_one() {
    let bench = Bench::new([]).await;
    bench.ensure("toy").await.unwrap();
    let path = bench.folder().join("ggml-toy.bin");
    damaged_and_replaced(&bench, &path).await;

    // An imported model whose bytes equal the published ones.
    let (folder, name) = (bench.dir.path().join("folder"), "toy".parse().unwrap());
    let imported = bench.store.import(&folder, None, Some(name), |_| {}).await.unwrap();
    assert_eq!(imported.origin, Origin::Imported { from: "folder".into() });
    damaged_and_replaced(&bench, &path).await;
}

async fn damaged_and_replaced(bench: &Bench, path: &Path) {
    std::fs::write(path, &bench.server.file[..1000]).unwrap();
    assert!(matches!(
        bench.store.find("toy").await.unwrap_err(),
        ModelStoreError::Damaged { remedy: Remedy::Pull, .. }
    ));
    bench.ensure("toy").await.unwrap();
    bench.assert_whole();
}

#[tokio::test]
async fn an_unpublished_quantisation_is_made_from_the_published_model() {
    let bench = Bench::new([]).await;
    bench.ensure("toy-q4_0").await.unwrap();
    let made = bench.store.find("toy-q4_0").await.unwrap();
    let source = bench.store.find("toy").await.unwrap();
    assert_eq!(made.origin, Origin::Quantised { from: "toy".into(), from_sha256: source.sha256 });
    let imported = imported_q4_0(bench.dir.path()).await;
    assert!(std::fs::read(made.path).unwrap() == imported, "quantising on import gives equal bytes");
    assert_eq!(bench.ranges().len(), 1);
}

async fn imported_q4_0(dir: &Path) -> Vec<u8> {
    let store = offline(&dir.join("made"));
    let model = store.import(&dir.join("folder"), Some(Quantisation::q4_0), None, |_| {}).await.unwrap();
    std::fs::read(model.path).unwrap()
}
