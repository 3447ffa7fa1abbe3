//! The tokens of a configuration file.
//!
//! This follows `config_tokenizer()` in lighttpd's src/configfile.c case by case,
//! since a file is safe to show to the server only if both see the same tokens.
//! Where this one is stricter, the file is refused; nowhere is it laxer but
//! where lighttpd then reports an error.

use super::SyntaxError;

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A key, variable or keyword.
    Word,
    /// What a condition looks at, such as `HTTP`.
    Subject,
    /// A number.
    Integer,
    /// A string, with its quotes.
    String,
    /// An operator or bracket.
    Sign,
    /// The end of a line outside of parentheses.
    End,
}

/// A token and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// Its kind.
    pub(crate) what: What,
    /// Its text as written.
    pub(crate) text: &'a str,
    /// Its first byte in the file.
    pub(crate) start: usize,
    /// Its line, from 1.
    pub(crate) line: usize,
}

impl Token<'_> {
    /// The value of a string: the only escape is the one of a quote.
    pub(crate) fn value(&self) -> String {
        let inner = self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        inner.unwrap_or(self.text).replace("\\\"", "\"")
    }
}

/// Splits a file into its tokens.
///
/// # Errors
/// Where lighttpd would find an error too, and at a NUL byte anywhere.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
    let mut scanner = Scanner { text, at: 0, line: 1, parens: 0, in_condition: false };
    let mut tokens = Vec::new();
    if let Some(nul) = text.find('\0') {
        let line = 1 + text[..nul].matches('\n').count();
        return Err(SyntaxError { line, what: "a NUL byte".into() });
    }
    while let Some(first) = scanner.rest().bytes().next() {
        let (start, line) = (scanner.at, scanner.line);
        if let Some(what) = scanner.step(first)? {
            tokens.push(Token { what, text: &text[start..scanner.at], start, line });
        }
    }
    Ok(tokens)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    parens: usize,
    in_condition: bool,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error<T>(&self, what: &str) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, what: what.to_owned() })
    }

    /// Steps over one token, or over one piece of what is none.
    fn step(&mut self, first: u8) -> Result<Option<What>, SyntaxError> {
        match first {
            b' ' | b'\t' => self.skip(1),
            b'\r' | b'\n' => return Ok(self.newline()),
            b'#' => {
                let rest = self.rest();
                self.skip(rest.find(['\r', '\n']).unwrap_or(rest.len()))
            }
            b',' if self.parens == 0 => self.skip(1),
            b'"' => return self.string(),
            b'=' | b'!' | b'+' | b':' => return self.operator(),
            b'(' => {
                self.parens += 1;
                return Ok(self.sign(1));
            }
            b')' if self.parens == 0 => return self.error("a `)` without its `(`"),
            b')' => {
                self.parens -= 1;
                return Ok(self.sign(1));
            }
            b'$' => {
                self.in_condition = true;
                return Ok(self.sign(1));
            }
            b',' | b'{' | b'}' | b'[' | b']' => return Ok(self.sign(1)),
            _ => return self.word(),
        }
        Ok(None)
    }

    fn skip(&mut self, length: usize) {
        self.at += length;
    }

    #[expect(clippy::unnecessary_wraps, reason = "what every kind of step gives")]
    fn sign(&mut self, length: usize) -> Option<What> {
        self.skip(length);
        Some(What::Sign)
    }

    fn newline(&mut self) -> Option<What> {
        self.skip(if self.rest().starts_with("\r\n") { 2 } else { 1 });
        self.line += 1;
        (self.parens == 0).then_some(What::End)
    }

    fn operator(&mut self) -> Result<Option<What>, SyntaxError> {
        let rest = self.rest();
        let starts = |signs: &[&str]| signs.iter().any(|sign| rest.starts_with(sign));
        let length = match rest.as_bytes()[0] {
            b'+' if starts(&["+="]) => 2,
            b'+' => 1,
            b':' if starts(&[":="]) => 2,
            b':' => return self.error("a `:` that is not part of `:=`"),
            b'=' if self.parens > 0 && starts(&["=>"]) => 2,
            b'=' if self.parens > 0 => return self.error("in a list, write `=>` for `=`"),
            _ if self.in_condition => {
                if !starts(&["==", "=~", "=^", "=$", "!=", "!~"]) {
                    return self.error("a condition takes ==, !=, =~, !~, =^ or =$");
                }
                self.in_condition = false;
                2
            }
            b'=' => 1,
            _ => return self.error("an unexpected `!`"),
        };
        Ok(self.sign(length))
    }

    /// A backslash hides a quote, even if another backslash is before it.
    fn string(&mut self) -> Result<Option<What>, SyntaxError> {
        let bytes = self.rest().as_bytes();
        let mut length = 1;
        loop {
            match (bytes.get(length), bytes.get(length + 1)) {
                (None, _) => return self.error("a string without its closing quote"),
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(b'"')) => length += 2,
                _ => length += 1,
            }
        }
        self.line += bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        self.skip(length + 1);
        Ok(Some(What::String))
    }

    fn word(&mut self) -> Result<Option<What>, SyntaxError> {
        let rest = self.rest();
        let run = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let (what, length) = if self.in_condition {
            (What::Subject, run(|c| c.is_ascii_alphabetic() || c == '_'))
        } else if rest.starts_with(|c: char| c.is_ascii_digit()) {
            (What::Integer, run(|c| c.is_ascii_digit()))
        } else if rest.starts_with('\u{a0}') {
            // lighttpd takes a no-break space for a space.
            self.skip('\u{a0}'.len_utf8());
            return Ok(None);
        } else {
            (What::Word, run(|c| c.is_ascii_alphanumeric() || "._-".contains(c)))
        };
        if length == 0 {
            return self.error("an unexpected character");
        }
        self.skip(length);
        Ok(Some(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).unwrap().iter().map(|token| token.text).collect()
    }

    fn words(text: &str) -> Vec<&str> {
        let tokens = tokens(text).unwrap();
        tokens.iter().filter(|token| token.what == What::Word).map(|token| token.text).collect()
    }

    #[test]
    fn splits_an_assignment_and_a_condition() {
        assert_eq!(
            texts("$HTTP[\"host\"] =~ \"a|b\" { x.y += ( \"k\" => 1, ) } # end"),
            [
                "$", "HTTP", "[", "\"host\"", "]", "=~", "\"a|b\"", "{", "x.y", "+=", "(", "\"k\"",
                "=>", "1", ",", ")", "}"
            ]
        );
    }

    #[test]
    fn a_keyword_hides_nowhere() {
        // Seen by lighttpd as the keyword, so it must be seen here.
        for text in [
            "include_shell \"x\"",
            "x.y = 1 include_shell \"x\"",
            "x.y = 1include_shell \"x\"",
            "x.y = \"a\\\\\" b\" include_shell \"x\"",
            "# comment\rinclude_shell \"x\"",
            "$HTTP[\"a\"] == \"b\" { include_shell \"x\" }",
            "}include_shell \"x\"",
            "x.y = (\n\"a\" include_shell \"x\"\n)",
            "\u{a0}include_shell \"x\"",
            "x.y = \"# no comment\" include_shell \"x\"",
        ] {
            assert!(words(text).contains(&"include_shell"), "{text}");
        }
    }

    #[test]
    fn no_keyword_where_lighttpd_sees_none() {
        for text in [
            "# include_shell \"x\"",
            "x.y = \"include_shell\"",
            "x.y = \"a\\\" include_shell \\\"\"",
            "include_shells",
            "$include_shell",
        ] {
            assert!(!words(text).contains(&"include_shell"), "{text}");
        }
    }

    #[test]
    fn values_lose_their_quotes() {
        let tokens = tokens(r#""a\"b\\c""#).unwrap();
        assert_eq!(tokens[0].value(), r#"a"b\\c"#);
    }

    #[test]
    fn errors_have_their_line() {
        for (text, line) in [
            ("a = \"1\"\n\nb = \"open", 3),
            ("a = (\n1\n) )", 3),
            ("a = 1\n\0", 2),
            ("a = 1\r\nb ? 1", 2),
            ("\n\nä = 1", 3),
        ] {
            assert_eq!(tokens(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn lines_are_counted_inside_strings_and_lists() {
        let tokens = tokens("a = \"1\n2\"\nb = (\n1,\r\n2)\nlast").unwrap();
        assert_eq!(tokens.last().unwrap().line, 6);
    }
}
