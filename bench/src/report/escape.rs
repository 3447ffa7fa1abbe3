//! Text from the data, made harmless for each format.
//!
//! Names of functions, kernels and files come from other programs, and
//! `report.json` may come from anywhere.

/// Text inside an element or a quoted attribute of HTML or SVG.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(visible(c)),
        }
    }
    escaped
}

/// Text in a paragraph or a table of Markdown as GitHub reads it, on one line.
pub(crate) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => escaped.push(' '),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // An address becomes a link, and a name a mention, by these alone.
            ':' if escaped.ends_with("http") || escaped.ends_with("https") => {
                escaped.push_str("&#58;");
            }
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(visible(c)),
        }
    }
    escaped
}

/// A field of CSV (RFC 4180), quoted where it has to be.
pub(crate) fn csv(text: &str) -> String {
    let text: String = text.chars().map(visible).collect();
    if text.contains(['"', ',', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// Control characters are in no format's text, and those that turn the direction
/// of writing make a name look like another.
fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_place() {
        assert_eq!(html("<a href='x'>\"&\0"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\u{fffd}");
        assert_eq!(markdown("a|b\n<i>`*"), "a\\|b &lt;i&gt;\\`\\*");
        assert_eq!(markdown("https://x @y"), "https&#58;//x &#64;y");
        assert_eq!(csv("a,\"b\"\r\n"), "\"a,\"\"b\"\"\u{fffd}\n\"");
        assert_eq!(csv("a,b"), "\"a,b\"");
        assert_eq!(csv("plain"), "plain");
        assert_eq!(html("a\u{202e}b"), "a\u{fffd}b");
    }
}
