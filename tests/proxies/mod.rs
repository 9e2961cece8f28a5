//! An HTTP and a SOCKS5 proxy on loopback. Both require a user name and a password, record the requested hosts, and connect to
//! one fixed address instead, so that nothing outside loopback is contacted.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Required credentials. The password is percent-encoded in a URL.
pub(crate) const USER: &str = "stenobot";
pub(crate) const PASSWORD: &str = "p@ss:wörd/7431";
/// The credentials in a URL.
pub(crate) const CREDENTIALS: &str = "stenobot:p%40ss%3Aw%C3%B6rd%2F7431";
/// The credentials in `Proxy-Authorization`.
pub(crate) const BASIC: &str = "Basic c3Rlbm9ib3Q6cEBzczp3w7ZyZC83NDMx";

/// A proxy that runs until the test ends.
pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// An HTTP proxy: `CONNECT`, and requests with an absolute URL.
    pub(crate) async fn http(to: SocketAddr) -> Self {
        Self::start(move |client, asked| async move { http(client, to, &asked).await }).await
    }

    /// A SOCKS5 proxy.
    pub(crate) async fn socks5(to: SocketAddr) -> Self {
        Self::start(move |client, asked| async move { socks5(client, to, &asked).await }).await
    }

    async fn start<F>(serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = proxy.asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, asked.clone()));
            }
        });
        proxy
    }

    /// Its URL with user name and password.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{CREDENTIALS}@{}", self.address)
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requested hosts, each once, or the reasons of refusals.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}

async fn http(mut client: TcpStream, to: SocketAddr, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let (request, headers) = head.split_once("\r\n").unwrap();
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let of = |line: &&str| line.to_ascii_lowercase().starts_with("proxy-authorization:");
    let authorization = headers.lines().find(of).and_then(|line| line.split_once(": ")).map(|(_, value)| value);
    if authorization != Some(BASIC) {
        asked.lock().unwrap().push("no password".to_owned());
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await;
    }
    let mut server;
    if method == "CONNECT" {
        asked.lock().unwrap().push(target.to_owned());
        server = TcpStream::connect(to).await?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        // Later requests of the connection go to the same server, which accepts absolute URLs.
        let authority = target.strip_prefix("http://").unwrap().split('/').next().unwrap();
        asked.lock().unwrap().push(authority.to_owned());
        server = TcpStream::connect(to).await?;
        server.write_all(head.as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// RFC 1928 and, for user name and password, RFC 1929.
async fn socks5(mut client: TcpStream, to: SocketAddr, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    assert_eq!(client.read_u8().await?, 5);
    let methods = some(&mut client).await?;
    if !methods.contains(&2) {
        asked.lock().unwrap().push("no password".to_owned());
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, 2]).await?;
    assert_eq!(client.read_u8().await?, 1);
    let (user, password) = (some(&mut client).await?, some(&mut client).await?);
    if (user.as_slice(), password.as_slice()) != (USER.as_bytes(), PASSWORD.as_bytes()) {
        asked.lock().unwrap().push("wrong password".to_owned());
        return client.write_all(&[1, 1]).await;
    }
    client.write_all(&[1, 0]).await?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request {
        [5, 1, 0, 1] => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        [5, 1, 0, 3] => String::from_utf8(some(&mut client).await?).unwrap(),
        other => panic!("{other:?} is not asked for here"),
    };
    let port = client.read_u16().await?;
    asked.lock().unwrap().push(format!("{host}:{port}"));
    let mut server = TcpStream::connect(to).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Reads a length byte and as many bytes.
async fn some(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}
