//! The statements of a configuration file, after the grammar in lighttpd's
//! src/configparser.y.

use super::SyntaxError;
use super::tokens::{Token, What};

/// How a value is assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `=`, an error if the key has a value already.
    Set,
    /// `:=`
    Replace,
    /// `+=`
    Append,
}

/// An assignment.
#[derive(Debug)]
pub(crate) struct Assignment<'a> {
    /// The key in lower case, since lighttpd does not tell cases apart.
    pub(crate) key: String,
    /// How the value is assigned.
    pub(crate) operator: Operator,
    /// The line of the key, from 1.
    pub(crate) line: usize,
    /// Whether it is outside of every condition.
    pub(crate) global: bool,
    /// The tokens of the value.
    pub(crate) value: &'a [Token<'a>],
}

impl<'a> Assignment<'a> {
    /// The strings of the value, without those that name the elements of a list.
    /// `None` when something in the value is computed, so that only lighttpd
    /// could tell what it is.
    pub(crate) fn literals(&self) -> Option<Vec<&'a Token<'a>>> {
        let is_computed = |token: &Token| token.what == What::Word || token.text == "+";
        if self.value.iter().any(is_computed) {
            return None;
        }
        let names_element =
            |index: usize| self.value.get(index + 1).is_some_and(|next| next.text == "=>");
        let strings = self
            .value
            .iter()
            .enumerate()
            .filter(|(index, token)| token.what == What::String && !names_element(*index));
        Some(strings.map(|(_, token)| token).collect())
    }
}

/// A condition, such as `$HTTP["host"] == "a"`.
#[derive(Debug)]
pub(crate) struct Condition<'a> {
    /// What it looks at, such as `HTTP`.
    pub(crate) subject: &'a Token<'a>,
    /// How it compares, such as `==`.
    pub(crate) comparison: &'a str,
    /// The tokens of what it is compared with.
    pub(crate) value: &'a [Token<'a>],
}

/// What a file consists of, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Statements<'a> {
    /// The assignments, wherever they stand.
    pub(crate) assignments: Vec<Assignment<'a>>,
    /// The conditions.
    pub(crate) conditions: Vec<Condition<'a>>,
    /// The names of included files.
    pub(crate) includes: Vec<&'a Token<'a>>,
}

impl<'a> Statements<'a> {
    /// Parses the tokens of a file.
    ///
    /// # Errors
    /// Where they do not follow the grammar.
    pub(crate) fn parse(tokens: &'a [Token<'a>]) -> Result<Self, SyntaxError> {
        let mut parser = Parser { tokens, at: 0, found: Self::default() };
        parser.block(None, true)?;
        Ok(parser.found)
    }
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    found: Statements<'a>,
}

type Parsed<T = ()> = Result<T, SyntaxError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at)
    }

    fn is_next(&self, text: &str) -> bool {
        // The text of a string has its quotes, that of a line's end none of ours.
        self.peek().is_some_and(|token| token.text == text)
    }

    fn take(&mut self, text: &str) -> bool {
        let taken = self.is_next(text);
        self.at += usize::from(taken);
        taken
    }

    /// The error that something else than `wanted` comes next.
    fn expected<T>(&self, wanted: &str) -> Parsed<T> {
        let last = self.tokens[..self.at.min(self.tokens.len())].last();
        match self.peek() {
            Some(token) if token.what != What::End => Err(SyntaxError {
                line: token.line,
                what: format!("`{}` where {wanted} is expected", token.text),
            }),
            _ => Err(SyntaxError {
                line: last.map_or(1, |token| token.line),
                what: format!("the line ends where {wanted} is expected"),
            }),
        }
    }

    fn expect(&mut self, text: &str) -> Parsed {
        if self.take(text) { Ok(()) } else { self.expected(&format!("`{text}`")) }
    }

    /// Statements up to the end of the file, or to the brace that closes the one
    /// in line `open`.
    fn block(&mut self, open: Option<usize>, global: bool) -> Parsed {
        while let Some(token) = self.peek() {
            match (token.what, token.text) {
                (What::End, _) => self.at += 1,
                (What::Sign, "}") if open.is_some() => {
                    self.at += 1;
                    return Ok(());
                }
                (What::Sign, "$") => self.conditions()?,
                (What::Word, "global") => {
                    self.at += 1;
                    self.braces(true)?;
                }
                (What::Word, "include" | "include_shell") => {
                    self.at += 1;
                    let value = self.expression()?;
                    self.found.includes.extend(value);
                }
                (What::Word, word) if word != "else" => self.assignment(token, global)?,
                _ => return self.expected("a key or a condition"),
            }
        }
        match open {
            None => Ok(()),
            Some(line) => Err(SyntaxError { line, what: "a `{` without its `}`".into() }),
        }
    }

    fn braces(&mut self, global: bool) -> Parsed {
        let line = self.peek().map(|token| token.line);
        self.expect("{")?;
        self.block(line, global)
    }

    fn assignment(&mut self, key: &'a Token<'a>, global: bool) -> Parsed {
        self.at += 1;
        let operator = match self.peek().map(|token| token.text) {
            Some("=") => Operator::Set,
            Some(":=") => Operator::Replace,
            Some("+=") => Operator::Append,
            _ => return self.expected(&format!("`=`, `:=` or `+=` behind {}", key.text)),
        };
        self.at += 1;
        let value = self.expression()?;
        let (key, line) = (key.text.to_ascii_lowercase(), key.line);
        self.found.assignments.push(Assignment { key, operator, line, global, value });
        Ok(())
    }

    /// A condition with its block, and those that `else` joins to it.
    fn conditions(&mut self) -> Parsed {
        loop {
            if self.is_next("{") {
                return self.braces(false);
            }
            self.condition()?;
            self.braces(false)?;
            let ends = self.tokens[self.at..].iter().take_while(|token| token.what == What::End);
            let next = self.at + ends.count();
            if self.tokens.get(next).is_none_or(|token| token.text != "else") {
                return Ok(());
            }
            self.at = next + 1;
        }
    }

    fn condition(&mut self) -> Parsed {
        self.expect("$")?;
        let Some(subject) = self.peek().filter(|token| token.what == What::Subject) else {
            return self.expected("what the condition looks at, such as HTTP,");
        };
        self.at += 1;
        self.expect("[")?;
        self.expression()?;
        self.expect("]")?;
        let comparison = self.peek().map_or("", |token| token.text);
        if !["==", "!=", "=~", "!~", "=^", "=$"].contains(&comparison) {
            return self.expected("a comparison");
        }
        self.at += 1;
        let value = self.expression()?;
        self.found.conditions.push(Condition { subject, comparison, value });
        Ok(())
    }

    /// Values with `+` between them.
    fn expression(&mut self) -> Parsed<&'a [Token<'a>]> {
        let start = self.at;
        self.value()?;
        while self.take("+") {
            self.value()?;
        }
        Ok(&self.tokens[start..self.at])
    }

    fn value(&mut self) -> Parsed {
        match self.peek().map(|token| token.what) {
            Some(What::String | What::Integer | What::Word) => {
                self.at += 1;
                Ok(())
            }
            _ if self.take("(") => self.elements(),
            _ => self.expected("a value"),
        }
    }

    /// The elements of a list, with commas between them and as many as one likes
    /// behind them, and the closing parenthesis.
    fn elements(&mut self) -> Parsed {
        while !self.take(")") {
            self.expression()?;
            if self.take("=>") {
                self.expression()?;
            }
            if !self.is_next(",") && !self.is_next(")") {
                return self.expected("`,` or `)`");
            }
            while self.take(",") {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    #[test]
    fn finds_every_statement_with_its_scope() {
        let text = "a.b = \"1\" A.C := ( \"k\" => \"v\", ) + x\n\
                    $HTTP[\"host\"] =~ \"h\" {\n d.e += 2\n global { f.g = 3 }\n} else { h.i = 4 }\n\
                    include \"file\"";
        let tokens = tokens(text).unwrap();
        let found = Statements::parse(&tokens).unwrap();
        let seen: Vec<_> = found
            .assignments
            .iter()
            .map(|a| (a.key.as_str(), a.operator, a.line, a.global, a.value.len()))
            .collect();
        assert_eq!(
            seen,
            [
                ("a.b", Operator::Set, 1, true, 1),
                ("a.c", Operator::Replace, 1, true, 8),
                ("d.e", Operator::Append, 3, false, 1),
                ("f.g", Operator::Set, 4, true, 1),
                ("h.i", Operator::Set, 5, false, 1),
            ]
        );
        let condition = &found.conditions[0];
        assert_eq!((condition.subject.text, condition.comparison), ("HTTP", "=~"));
        assert_eq!(found.includes[0].value(), "file");
    }

    #[test]
    fn takes_what_lighttpd_takes() {
        for text in [
            "",
            "\n\n# only a comment",
            "a.b = ()",
            "a.b = (\n\"a\",,\n( \"b\" => ( 1 ) ),\n)",
            "$HTTP[\"a\"] == \"b\" {\n}\nelse $HTTP[\"a\"] != \"c\" { }\n\nelse { a.b = 1 }\na.c = 2",
            "$HTTP[\"a\"] == \"b\" { $HTTP[\"c\"] =^ x { a.b = 1 } }",
        ] {
            let tokens = tokens(text).unwrap();
            Statements::parse(&tokens).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
    }

    #[test]
    fn errors_have_their_line() {
        for (text, line, what) in [
            ("a.b = \"x\" \"y\"", 1, "`\"y\"` where a key or a condition is expected"),
            ("a.b = 1\n}", 2, "`}` where a key or a condition is expected"),
            ("\na.b\nc.d = 1", 2, "the line ends where `=`, `:=` or `+=` behind a.b is expected"),
            ("a.b =\n1", 1, "the line ends where a value is expected"),
            ("a.b = ( \"a\"\n\"b\" )", 2, "`\"b\"` where `,` or `)` is expected"),
            ("a.b = ( \"a\", => 1 )", 1, "`=>` where a value is expected"),
            ("a.b = (\n\"a\"\n", 2, "the line ends where `,` or `)` is expected"),
            ("a.c = 1\n$HTTP[\"a\"] == \"b\" {\na.b = 1", 2, "a `{` without its `}`"),
            ("else { a.b = 1 }", 1, "`else` where a key or a condition is expected"),
            ("$HTTP == \"b\" { }", 1, "`==` where `[` is expected"),
            ("a.b = 1 +", 1, "the line ends where a value is expected"),
        ] {
            let tokens = tokens(text).unwrap();
            let error = Statements::parse(&tokens).unwrap_err();
            assert_eq!((error.line, error.what.as_str()), (line, what), "{text}");
        }
    }

    #[test]
    fn literals_are_what_is_written() {
        let literals = |text: &str| {
            let tokens = tokens(text).unwrap();
            let found = Statements::parse(&tokens).unwrap();
            let all = found.assignments[0].literals();
            all.map(|all| all.iter().map(|token| token.value()).collect::<Vec<_>>())
        };
        assert_eq!(literals("a.b = \"/x\""), Some(vec!["/x".into()]));
        assert_eq!(
            literals("a.b = ( \"/k\" => \"/v\", \"/w\" )"),
            Some(vec!["/v".into(), "/w".into()])
        );
        assert_eq!(literals("a.b = var.x"), None);
        assert_eq!(literals("a.b = \"/\" + \"x\""), None);
        assert_eq!(literals("a.b = ( var.x )"), None);
    }
}
