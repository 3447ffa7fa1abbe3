//! A server that gives the answers that a test wants.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bench::loads::{Expected, Target};

/// What is sent for a path, the how-manieth request that is, counted from 0.
type Answer = dyn Fn(&str, usize) -> Vec<u8> + Send + Sync;

/// The server; its threads end with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The paths that were asked for, in their order.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let number = Arc::new(AtomicUsize::new(0));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, log, number) =
                    (Arc::clone(&answer), Arc::clone(&log), Arc::clone(&number));
                thread::spawn(move || serve(stream.unwrap(), &*answer, &log, &number));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn target(&self, page: &str, expected: Expected) -> Target {
        Target {
            address: self.address,
            host: self.address.to_string(),
            page: page.to_owned(),
            files: [(page.to_owned(), expected)].into(),
        }
    }
}

/// A right answer, as any server gives it.
pub(crate) fn ok(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn serve(
    stream: TcpStream,
    answer: &Answer,
    asked: &Mutex<Vec<String>>,
    number: &AtomicUsize,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    loop {
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let path = request.split(' ').nth(1)?.to_owned();
        let bytes = answer(&path, number.fetch_add(1, Ordering::SeqCst));
        asked.lock().unwrap().push(path);
        (&stream).write_all(&bytes).ok()?;
        if bytes.is_empty() || bytes.windows(17).any(|part| part == b"Connection: close") {
            return None;
        }
    }
}
