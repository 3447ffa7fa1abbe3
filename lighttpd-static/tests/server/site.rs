//! A site on a running server, and a client that shows every byte.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lighttpd_static::{Modules, Settings};

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How long a start, a response or an end may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// A running server; its end comes with the value's.
pub(crate) struct Site {
    dir: tempfile::TempDir,
    child: Child,
    address: IpAddr,
    port: u16,
}

/// A response to a request.
pub(crate) struct Response {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Site {
    /// Serves `files` with the generated configuration, and `user` added to it.
    pub(crate) fn start(
        server: &Path,
        modules: &[&str],
        files: &[(&str, &[u8])],
        user: &str,
    ) -> Self {
        Self::start_at(LOCALHOST, server, modules, files, user)
    }

    pub(crate) fn start_at(
        address: IpAddr,
        server: &Path,
        modules: &[&str],
        files: &[(&str, &[u8])],
        user: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = dir.path().join("srv").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        let modules = Modules::new(modules.iter().copied()).unwrap();
        let settings =
            Settings { listen: &[address], port, modules: &modules, files: &names, user: true };
        // What the guest's root is to the server is this directory here.
        let here = |text: &str| {
            let mut text = text.to_owned();
            for path in ["/tmp", "/srv", "/dev/console", "/etc/lighttpd/user.conf"] {
                let place = dir.path().join(path.rsplit_once('/').unwrap().1);
                text = text.replace(&format!("\"{path}"), &format!("\"{}", place.display()));
            }
            text
        };
        fs::write(dir.path().join("user.conf"), here(user)).unwrap();
        let config = dir.path().join("lighttpd.conf");
        fs::write(&config, here(&settings.text())).unwrap();
        let child = Command::new(server)
            .args(["-D", "-f"])
            .arg(config)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let site = Self { dir, child, address, port };
        let start = Instant::now();
        while TcpStream::connect((address, port)).is_err() {
            assert!(start.elapsed() < DEADLINE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        site
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sends bytes and gives everything that comes back until the end.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect((self.address, self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// One request with further header lines.
    pub(crate) fn request(&self, method: &str, url: &str, headers: &[&str]) -> Response {
        let mut text = format!("{method} {url} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            text.push_str("Host: appliance\r\n");
        }
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        let answer = self.exchange(format!("{text}\r\n").as_bytes());
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        Response {
            head: String::from_utf8(answer[..end].to_vec()).unwrap(),
            body: answer[end + 4..].to_vec(),
        }
    }

    pub(crate) fn get(&self, url: &str) -> Response {
        self.request("GET", url, &[])
    }

    /// Asks the server to end in order and gives what it wrote to the console.
    pub(crate) fn end(mut self) -> String {
        let pid = self.child.id().to_string();
        Command::new("kill").arg(pid).status().unwrap();
        self.child.wait().unwrap();
        fs::read_to_string(self.dir.path().join("console")).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
