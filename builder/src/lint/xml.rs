//! XML as a tree, within limits: no document type (so that no entity grows), and
//! bounds on depth, elements, attributes and namespaces, so that neither time nor
//! memory gets away.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::finding::{ALL, Findings, Place, Source, rules, shown};

const XML: Source = Source::Specification("XML 1.0, Well-Formed XML Documents");

rules! {
    MALFORMED = "xml-malformed": Error, ALL, XML,
        "the descriptor is well-formed XML",
        "correct it; `xmllint` shows where";
    ENCODING = "xml-encoding": Error, ALL,
        Source::Limit("UTF-8 is read, which every product writes"),
        "the descriptor is in UTF-8",
        "convert it: iconv -t UTF-8, and say so in its first line";
    DOCTYPE = "xml-doctype": Error, ALL,
        Source::Limit("a document type is not read, since its entities can grow without end; OVF has none"),
        "the descriptor has no document type",
        "remove the line <!DOCTYPE …>, and write what its entities stand for";
    LIMITS = "xml-limits": Error, ALL,
        Source::Limit("4 MiB, 64 levels, 100,000 elements and attributes, 128 attributes of one element, 64 namespaces at once"),
        "the descriptor is of a usual size",
        "write it again with fewer elements";
}

/// The longest document that is read, in bytes.
pub(super) const LONGEST: usize = 4 << 20;
const DEEPEST: usize = 64;
const MOST_NODES: usize = 100_000;
const MOST_ATTRIBUTES: usize = 128;
const MOST_NAMESPACES: usize = 64;

/// The namespace of `xml:lang`.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// A name with its namespace, which is empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) namespace: std::rc::Rc<str>,
    pub(super) local: String,
}

impl Name {
    /// Whether it is this name.
    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        &*self.namespace == namespace && self.local == local
    }
}

/// An element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: Name,
    /// The line where it starts.
    pub(super) line: usize,
    pub(super) attributes: Vec<(Name, String)>,
    pub(super) children: Vec<Element>,
    text: String,
}

impl Element {
    /// The value of an attribute.
    pub(super) fn attribute(&self, namespace: &str, local: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(name, _)| name.is(namespace, local));
        found.map(|(_, value)| value.as_str())
    }

    /// The first child of that name.
    pub(super) fn child(&self, namespace: &str, local: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name.is(namespace, local))
    }

    /// Every child of that name.
    pub(super) fn all<'a>(
        &'a self,
        namespace: &'a str,
        local: &'a str,
    ) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name.is(namespace, local))
    }

    /// The text in it, without the space around.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Its place in the file.
    pub(super) fn place(&self) -> Place {
        Place::line(self.line).element(&self.name.local)
    }
}

/// Reads a document; none where it cannot be read, which the findings say.
pub(super) fn parse(bytes: &[u8], findings: &mut Findings) -> Option<Element> {
    if bytes.len() >= LONGEST {
        findings.add(&LIMITS, Place::file(), "more than 4 MiB");
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(text) = str::from_utf8(bytes) else {
        findings.add(&ENCODING, Place::file(), "bytes that are no UTF-8");
        return None;
    };
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    if let Some(place) = bytes.iter().position(control) {
        findings.add(&MALFORMED, Place::offset(place as u64), "a control character");
        return None;
    }
    let mut tree = Tree::new(text);
    match tree.read() {
        Ok(root) => Some(root),
        Err(Broken { rule, found }) => {
            findings.add(rule, Place::line(tree.line), found);
            None
        }
    }
}

/// Why a document cannot be read.
struct Broken {
    rule: &'static super::finding::Rule,
    found: String,
}

fn malformed(found: impl ToString) -> Broken {
    Broken { rule: &MALFORMED, found: shown(&found.to_string()) }
}

fn limit(found: &str) -> Broken {
    Broken { rule: &LIMITS, found: found.to_owned() }
}

struct Tree<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    /// The present line, and the offset up to which lines were counted.
    line: usize,
    counted: usize,
    nodes: usize,
    /// The namespaces in force: prefix, name, depth of the element that has it.
    namespaces: Vec<(String, std::rc::Rc<str>, usize)>,
    open: Vec<Element>,
    root: Option<Element>,
}

impl<'a> Tree<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        let namespaces = vec![
            ("xml".to_owned(), XML_NAMESPACE.into(), 0),
            (String::new(), std::rc::Rc::from(""), 0),
        ];
        Self {
            reader,
            text,
            line: 1,
            counted: 0,
            nodes: 0,
            namespaces,
            open: Vec::new(),
            root: None,
        }
    }

    fn read(&mut self) -> Result<Element, Broken> {
        loop {
            self.count_lines();
            let event = self.reader.read_event().map_err(malformed)?;
            match event {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.add(&text.xml10_content())?,
                Event::CData(text) => self.add(&text.xml10_content())?,
                Event::GeneralRef(name) => {
                    let c = match name.resolve_char_ref().map_err(malformed)? {
                        Some(c) => c.to_string(),
                        None => entity(&name.xml10_content())?.to_owned(),
                    };
                    self.add(&c)?;
                }
                Event::DocType(_) => {
                    let found = "a document type".to_owned();
                    return Err(Broken { rule: &DOCTYPE, found });
                }
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof if self.open.is_empty() => break,
                Event::Eof => return Err(malformed("it ends within an element")),
            }
        }
        self.root.take().ok_or_else(|| malformed("there is no element"))
    }

    /// Counts the lines up to where the reader is.
    fn count_lines(&mut self) {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let position = position.min(self.text.len());
        let passed = &self.text.as_bytes()[self.counted.min(position)..position];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.counted = position;
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Broken> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(malformed("a second element outside"));
        }
        if self.open.len() == DEEPEST {
            return Err(limit("elements within each other"));
        }
        let attributes = self.attributes(start)?;
        let name = self.name(start.name().0, true)?;
        let mut named = Vec::with_capacity(attributes.len());
        for (key, value) in attributes {
            let name = self.name(&key, false)?;
            if named.iter().any(|(other, _)| *other == name) {
                return Err(malformed(format!("the attribute {key} twice")));
            }
            named.push((name, value));
        }
        let element = Element {
            name,
            line: self.line,
            attributes: named,
            children: Vec::new(),
            text: String::new(),
        };
        self.open.push(element);
        Ok(())
    }

    /// The attributes of an element that are no namespaces; those come in force.
    fn attributes(&mut self, start: &BytesStart<'_>) -> Result<Vec<(String, String)>, Broken> {
        let depth = self.open.len() + 1;
        let mut attributes = Vec::new();
        // Names are compared after their namespaces are known.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(malformed)?;
            let key = attribute.key.0;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(malformed)?
                .into_owned();
            let prefix = match key.strip_prefix("xmlns") {
                Some("") => Some(""),
                Some(rest) => rest.strip_prefix(':'),
                None => None,
            };
            self.node()?;
            match prefix {
                Some(_) if self.namespaces.len() == MOST_NAMESPACES => {
                    return Err(limit("namespaces at once"));
                }
                Some(prefix) => {
                    self.namespaces.push((prefix.to_owned(), value.into(), depth));
                }
                None if attributes.len() == MOST_ATTRIBUTES => {
                    return Err(limit("attributes of one element"));
                }
                None => attributes.push((key.to_owned(), value)),
            }
        }
        self.node()?;
        Ok(attributes)
    }

    fn node(&mut self) -> Result<(), Broken> {
        self.nodes += 1;
        if self.nodes > MOST_NODES { Err(limit("elements and attributes")) } else { Ok(()) }
    }

    /// The default namespace counts for elements only.
    fn name(&self, qualified: &str, element: bool) -> Result<Name, Broken> {
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        if local.is_empty() || local.contains(':') {
            return Err(malformed(format!("the name {qualified}")));
        }
        if prefix.is_empty() && !element {
            return Ok(Name { namespace: "".into(), local: local.to_owned() });
        }
        let found = self.namespaces.iter().rev().find(|(known, _, _)| known == prefix);
        let (_, namespace, _) =
            found.ok_or_else(|| malformed(format!("the prefix {prefix} has no namespace")))?;
        Ok(Name { namespace: std::rc::Rc::clone(namespace), local: local.to_owned() })
    }

    fn end(&mut self) {
        let depth = self.open.len();
        self.namespaces.retain(|(_, _, from)| *from < depth);
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), Broken> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed("text outside of the element")),
        }
        Ok(())
    }
}

/// What the five entities of XML itself stand for.
fn entity(name: &str) -> Result<&'static str, Broken> {
    match name {
        "amp" => Ok("&"),
        "lt" => Ok("<"),
        "gt" => Ok(">"),
        "apos" => Ok("'"),
        "quot" => Ok("\""),
        _ => Err(malformed(format!("the entity {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<&'static str> {
        let mut findings = Findings::default();
        let root = parse(text.as_bytes(), &mut findings);
        let (list, _) = findings.finish();
        assert_eq!(root.is_none(), !list.is_empty(), "{text}");
        list.first().map(|finding| finding.rule.id)
    }

    #[test]
    fn a_tree_has_names_texts_and_lines() {
        let text = "<?xml version=\"1.0\"?>\n<a xmlns='x' xmlns:p='y' p:k='1&lt;2'>\n\
            <p:b>one &amp; <![CDATA[<two>]]> &#33;</p:b>\n</a>\n";
        let root = parse(text.as_bytes(), &mut Findings::default()).unwrap();
        assert!(root.name.is("x", "a"));
        assert_eq!(root.attribute("y", "k"), Some("1<2"));
        let child = root.child("y", "b").unwrap();
        assert_eq!((child.text(), child.line), ("one & <two> !", 3));
    }

    #[test]
    fn what_is_no_document() {
        for text in
            ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<p:a/>", "<a b=1/>", "<a>\u{1}</a>"]
        {
            assert_eq!(rule(text), Some("xml-malformed"), "{text}");
        }
        for text in
            ["<a b='' b=''/>", "<a>&x;</a>", "<a b='&x;'/>", "<a:b:c/>", "<a><!-- -- --></a>"]
        {
            assert_eq!(rule(text), Some("xml-malformed"), "{text}");
        }
    }

    #[test]
    fn what_would_grow_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;'>]><a>&c;</a>";
        assert_eq!(rule(bomb), Some("xml-doctype"));
        assert_eq!(rule(&("<a>".repeat(65) + &"</a>".repeat(65))), Some("xml-limits"));
        assert_eq!(rule(&("<a>".repeat(64) + &"</a>".repeat(64))), None);
        assert_eq!(rule(&format!("<a>{}</a>", "<b/>".repeat(100_000))), Some("xml-limits"));
        let attributes: String = (0..129).map(|number| format!(" a{number}=''")).collect();
        assert_eq!(rule(&format!("<a{attributes}/>")), Some("xml-limits"));
        let names: String = (0..63).map(|number| format!(" xmlns:a{number}='x'")).collect();
        assert_eq!(rule(&format!("<a{names}/>")), Some("xml-limits"));
        assert_eq!(rule(&" ".repeat(LONGEST)), Some("xml-limits"));
    }
}
