//! Requests and what the modules make of them.

use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::path::Path;

use lighttpd_static::content_type;

use crate::Row;
use crate::site::Site;

pub(crate) const TESTS: &[Row] = &[
    ("every_file_comes_back_with_its_type", None, every_file),
    ("head_range_and_missing_files", None, basics),
    ("large_file", None, large_file),
    ("http_2_by_prior_knowledge", None, http_2),
    ("ipv6", None, ipv6),
    ("a_type_of_the_users_is_added", None, added_type),
    ("access", Some("access"), access),
    ("accesslog", Some("accesslog"), accesslog),
    ("alias", Some("alias"), alias),
    ("auth", Some("auth"), auth),
    ("deflate", Some("deflate"), deflate),
    ("dirlisting", Some("dirlisting"), dirlisting),
    ("evhost", Some("evhost"), evhost),
    ("expire", Some("expire"), expire),
    ("extforward", Some("extforward"), extforward),
    ("proxy", Some("proxy"), proxy),
    ("redirect", Some("redirect"), redirect),
    ("rewrite", Some("rewrite"), rewrite),
    ("setenv", Some("setenv"), setenv),
    ("simple_vhost", Some("simple_vhost"), simple_vhost),
    ("ssi", Some("ssi"), ssi),
    ("status", Some("status"), status),
];

const INDEX: (&str, &[u8]) = ("index.html", b"<p>hello");

fn every_file(server: &Path) {
    let files: &[(&str, &[u8])] = &[
        INDEX,
        ("a/style.CSS", b"p {}"),
        ("app.min.js", b"1"),
        ("picture.png", b"\x89PNG\r\n\x1a\n"),
        ("backup.tar.gz", b"\x1f\x8b"),
        ("LICENSE", b"text"),
        ("data.unknown", b"\0\xff"),
        ("empty.txt", b""),
        ("film.mp4", b"x"),
    ];
    let site = Site::start(server, &[], files, "");
    for (name, bytes) in files {
        let response = site.get(&format!("/{name}"));
        assert_eq!(response.status(), "200", "{name}");
        assert_eq!(response.body, *bytes, "{name}");
        assert_eq!(response.header("Content-Type"), Some(content_type(name).as_str()), "{name}");
        assert!(response.header("ETag").is_some(), "{name}");
    }
    assert_eq!(site.get("/").body, INDEX.1);
    assert_eq!(site.get("/").header("Server"), Some("lighttpd"));
}

fn basics(server: &Path) {
    let site = Site::start(server, &[], &[INDEX, ("d/x.txt", b"0123456789")], "");
    let head = site.request("HEAD", "/", &[]);
    assert_eq!((head.status(), head.body.len()), ("200", 0));
    assert_eq!(head.header("Content-Length"), Some("8"));
    assert_eq!(site.get("/none").status(), "404");
    assert_eq!(site.get("/d").status(), "301");
    assert_eq!(site.get("/d/").status(), "403");
    assert_eq!(site.get("/../etc/passwd").status(), "404");
    let part = site.request("GET", "/d/x.txt", &["Range: bytes=2-4"]);
    assert_eq!((part.status(), part.text().as_str()), ("206", "234"));
    assert_eq!(part.header("Content-Range"), Some("bytes 2-4/10"));
    assert_eq!(site.request("GET", "/d/x.txt", &["Range: bytes=20-"]).status(), "416");
    let tag = site.get("/").header("ETag").unwrap().to_owned();
    assert_eq!(site.request("GET", "/", &[&format!("If-None-Match: {tag}")]).status(), "304");
    let large = format!("Content-Length: {}", 2 << 20);
    assert_eq!(site.request("POST", "/", &[&large]).status(), "413");
}

fn large_file(server: &Path) {
    let bytes: Vec<u8> =
        (0..20_000_000_u32).flat_map(|i| (i % 251).to_le_bytes()).step_by(4).collect();
    let site = Site::start(server, &[], &[("large.iso", &bytes)], "");
    let response = site.get("/large.iso");
    assert_eq!(response.status(), "200");
    assert!(response.body == bytes, "the file came back changed");
}

/// The client's preface and settings, then one request in HPACK's static table:
/// RFC 9113 section 3.4, RFC 7541 appendix A.
fn http_2(server: &Path) {
    let site = Site::start(server, &[], &[INDEX], "");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS, empty.
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // HEADERS that end the stream 1: GET, http, /, authority "x".
    bytes.extend([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'x']);
    // GOAWAY, so that the server closes.
    bytes.extend([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let answer = site.exchange(&bytes);
    let mut frames = Vec::new();
    let mut rest = answer.as_slice();
    while let [a, b, c, kind, _flags, _, _, _, stream, payload @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        frames.push((*kind, *stream, payload[..length].to_vec()));
        rest = &payload[length..];
    }
    assert_eq!(frames[0].0, 4, "the first frame must be SETTINGS");
    // HEADERS begin with the indexed status 200, DATA hold the page.
    assert!(
        frames
            .iter()
            .any(|(kind, stream, data)| (*kind, *stream, data.first()) == (1, 1, Some(&0x88)))
    );
    assert!(
        frames.iter().any(|(kind, stream, data)| (*kind, *stream, &data[..]) == (0, 1, INDEX.1))
    );
}

fn ipv6(server: &Path) {
    let localhost = IpAddr::V6(Ipv6Addr::LOCALHOST);
    if TcpListener::bind((localhost, 0)).is_err() {
        eprintln!("this machine has no IPv6");
        return;
    }
    let site = Site::start_at(localhost, server, &[], &[INDEX], "");
    assert_eq!(site.get("/").body, INDEX.1);
}

fn added_type(server: &Path) {
    let user =
        "mimetype.assign += ( \".foo\" => \"text/foo\" )\nindex-file.names := ( \"start.foo\" )";
    let site = Site::start(server, &[], &[("start.foo", b"x")], user);
    assert_eq!(site.get("/").header("Content-Type"), Some("text/foo"));
}

fn access(server: &Path) {
    let user = "url.access-deny = ( \".inc\" )";
    let site = Site::start(server, &["access"], &[INDEX, ("x.inc", b"")], user);
    assert_eq!(site.get("/x.inc").status(), "403");
    assert_eq!(site.get("/").status(), "200");
}

fn accesslog(server: &Path) {
    let site = Site::start(server, &["accesslog"], &[INDEX], "");
    site.get("/?logged");
    let log = site.end();
    assert!(log.contains("\"GET /?logged HTTP/1.1\" 200 8"), "{log}");
}

fn alias(server: &Path) {
    let user = "alias.url = ( \"/other/\" => \"/srv/d/\" )";
    let site = Site::start(server, &["alias"], &[("d/x.txt", b"x")], user);
    assert_eq!(site.get("/other/x.txt").text(), "x");
}

fn auth(server: &Path) {
    // What `openssl passwd -apr1 -salt saltsalt secret` and `-6` print.
    let users = b"apr1:$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0\n\
        sha:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1\n";
    let user = "auth.backend = \"htpasswd\"\n\
        auth.backend.htpasswd.userfile = \"/srv/.htpasswd\"\n\
        auth.require = ( \"/\" => ( \"method\" => \"basic\", \"realm\" => \"r\", \"require\" => \"valid-user\" ) )";
    let site = Site::start(server, &["auth"], &[INDEX, (".htpasswd", users)], user);
    assert_eq!(site.get("/").status(), "401");
    // apr1:secret, sha:secret and apr1:wrong in base 64.
    let ask = |words: &str, url: &str| {
        let header = format!("Authorization: Basic {words}");
        site.request("GET", url, &[&header]).status().to_owned()
    };
    assert_eq!(ask("YXByMTpzZWNyZXQ=", "/"), "200");
    assert_eq!(ask("c2hhOnNlY3JldA==", "/"), "200");
    assert_eq!(ask("YXByMTp3cm9uZw==", "/"), "401");
    assert_eq!(ask("YXByMTpzZWNyZXQ=", "/.htpasswd"), "403");
}

fn deflate(server: &Path) {
    let page = b"hello ".repeat(1000);
    let site = Site::start(server, &["deflate"], &[("a.html", &page), ("a.png", &page)], "");
    let packed = site.request("GET", "/a.html", &["Accept-Encoding: gzip"]);
    assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
    assert!(packed.body.len() < 500 && packed.body.starts_with(&[0x1f, 0x8b]));
    assert_eq!(site.get("/a.html").body, page);
    let picture = site.request("GET", "/a.png", &["Accept-Encoding: gzip"]);
    assert_eq!(picture.header("Content-Encoding"), None);
}

fn dirlisting(server: &Path) {
    let site = Site::start(server, &["dirlisting"], &[INDEX, ("d/file.txt", b"x")], "");
    let list = site.get("/d/");
    assert_eq!(list.header("Content-Type"), Some("text/html;charset=utf-8"));
    assert!(list.text().contains("file.txt"));
    assert_eq!(site.get("/").body, INDEX.1);
}

fn evhost(server: &Path) {
    let user = "evhost.path-pattern = \"/srv/%0/\"";
    let site = Site::start(server, &["evhost"], &[("a.test/index.html", b"a")], user);
    assert_eq!(site.request("GET", "/", &["Host: www.a.test"]).text(), "a");
}

fn expire(server: &Path) {
    let user = "expire.url = ( \"\" => \"access plus 1 hours\" )";
    let site = Site::start(server, &["expire"], &[INDEX], user);
    assert_eq!(site.get("/").header("Cache-Control"), Some("max-age=3600"));
}

fn extforward(server: &Path) {
    let user = "extforward.forwarder = ( \"127.0.0.1\" => \"trust\" )\n\
        $HTTP[\"remote-ip\"] == \"192.0.2.7\" { index-file.names = ( \"seen.txt\" ) }";
    let site = Site::start(server, &["extforward"], &[INDEX, ("seen.txt", b"seen")], user);
    assert_eq!(site.request("GET", "/", &["X-Forwarded-For: 192.0.2.7"]).text(), "seen");
    assert_eq!(site.get("/").body, INDEX.1);
}

fn proxy(server: &Path) {
    let behind = Site::start(server, &[], &[("x.txt", b"from behind")], "");
    let user = format!(
        "$HTTP[\"url\"] =^ \"/x\" {{ proxy.server = ( \"\" => ( ( \"host\" => \"127.0.0.1\", \"port\" => {} ) ) ) }}",
        behind.port()
    );
    let site = Site::start(server, &["proxy"], &[INDEX], &user);
    assert_eq!(site.get("/x.txt").text(), "from behind");
    assert_eq!(site.get("/").body, INDEX.1);
}

fn redirect(server: &Path) {
    let user = "url.redirect = ( \"^/old/(.*)$\" => \"/new/$1\" )";
    let site = Site::start(server, &["redirect"], &[INDEX], user);
    let response = site.get("/old/x");
    assert_eq!((response.status(), response.header("Location")), ("301", Some("/new/x")));
}

fn rewrite(server: &Path) {
    let user =
        "$HTTP[\"host\"] =~ \"^app\" { url.rewrite-once = ( \"^/n/\\d+$\" => \"/index.html\" ) }";
    let site = Site::start(server, &["rewrite"], &[INDEX], user);
    assert_eq!(site.get("/n/42").body, INDEX.1);
    assert_eq!(site.get("/n/x").status(), "404");
}

fn setenv(server: &Path) {
    let user = "setenv.add-response-header = ( \"X-Frame-Options\" => \"DENY\" )";
    let site = Site::start(server, &["setenv"], &[INDEX], user);
    assert_eq!(site.get("/").header("X-Frame-Options"), Some("DENY"));
}

fn simple_vhost(server: &Path) {
    let user = "simple-vhost.server-root = \"/srv/\"\nsimple-vhost.default-host = \"a.test\"";
    let files: &[(&str, &[u8])] = &[("a.test/index.html", b"a"), ("b.test/index.html", b"b")];
    let site = Site::start(server, &["simple_vhost"], files, user);
    assert_eq!(site.request("GET", "/", &["Host: b.test"]).text(), "b");
    assert_eq!(site.get("/").text(), "a");
}

fn ssi(server: &Path) {
    let files: &[(&str, &[u8])] = &[
        INDEX,
        ("a.shtml", b"[<!--#include virtual=\"/index.html\" -->][<!--#exec cmd=\"id\" -->]"),
    ];
    let site = Site::start(server, &["ssi"], files, "");
    assert_eq!(site.get("/a.shtml").text(), "[<p>hello][]");
}

fn status(server: &Path) {
    let site = Site::start(server, &["status"], &[INDEX], "");
    assert!(site.get("/server-status?auto").text().contains("Total Accesses: "));
}
