//! The links of a page.

/// The paths on the same server that the attributes `href` and `src` of a page
/// name, in their order. Links to other servers are left out, as `wget` leaves
/// them out.
pub(super) fn of(html: &str, page: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('=') {
        let name = rest[..at].trim_end();
        rest = rest[at + 1..].trim_start();
        let is_link = ["href", "src"].iter().any(|attribute| {
            let start = name.len().checked_sub(attribute.len());
            start
                .and_then(|start| name.get(start..))
                .is_some_and(|end| end.eq_ignore_ascii_case(attribute))
        });
        let quote = rest.chars().next().filter(|quote| "\"'".contains(*quote));
        let Some(quote) = quote.filter(|_| is_link) else { continue };
        let Some((value, behind)) = rest[1..].split_once(quote) else { break };
        rest = behind;
        links.extend(resolve(value, page));
    }
    links
}

/// The path that a link on a page leads to (RFC 3986, section 5.2), if that is on
/// the same server.
fn resolve(link: &str, page: &str) -> Option<String> {
    let link = link.split('#').next().unwrap_or_default().replace("&amp;", "&");
    let has_scheme = link.find(':').is_some_and(|colon| !link[..colon].contains('/'));
    if link.is_empty() || has_scheme || link.starts_with("//") {
        return None;
    }
    if link.contains(|c: char| !c.is_ascii_graphic()) {
        return None;
    }
    if link.starts_with('/') {
        return Some(normal(&link));
    }
    let page = page.split('?').next().unwrap_or_default();
    if link.starts_with('?') {
        return Some(format!("{page}{link}"));
    }
    let folder = page.rfind('/').map_or("/", |end| &page[..=end]);
    Some(normal(&format!("{folder}{link}")))
}

/// A path without `.` and `..`.
fn normal(path: &str) -> String {
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
            }
            _ => segments.push(segment),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        segments.push("");
    }
    format!("/{}{query}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_their_order() {
        let html = "<a HREF = '../x.html#here'>ä</a><img alt=\"a=b\" src=\"p/q.png\">\
                    <a href=\"/s?a=1&amp;b=2\"><a href=http://unquoted>\
                    <a href=\"http://other/\"><a href='//other/'><a href='mailto:a'><a href='#a'>\
                    <a href='?c'><a href=\"/d/../e/.\"><p data-href='n'><a href='open";
        let expected = ["/x.html", "/a/p/q.png", "/s?a=1&b=2", "/a/b.html?c", "/e/", "/a/n"];
        assert_eq!(of(html, "/a/b.html?old"), expected);
    }
}
