//! XML documents, as far as a descriptor of a virtual machine needs them.
//!
//! Scope: elements with attributes and either text or further elements, written
//! with every special character escaped (XML 1.0, section 2.4). Names are given by
//! the caller, with their prefixes; nothing is read here.

/// An element, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// An empty element.
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), text: String::new(), children: Vec::new() }
    }

    /// An element that holds a text.
    pub fn text(name: &'static str, text: impl ToString) -> Self {
        Self { text: text.to_string(), ..Self::new(name) }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// Adds an element to what it holds.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Adds several.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The document of which this is the root, in UTF-8.
    pub fn document(&self) -> String {
        let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(0, &mut document);
        document
    }

    fn write(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        out.push_str(&indent);
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, true, out);
            out.push('"');
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push('>');
        escape(&self.text, false, out);
        if !self.children.is_empty() {
            out.push('\n');
            self.children.iter().for_each(|child| child.write(depth + 1, out));
            out.push_str(&indent);
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push_str(">\n");
    }
}

/// Adds a text so that a reader gets it back as it is. Characters that no document
/// can hold (section 2.2) come back as U+FFFD.
fn escape(text: &str, in_attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' if !in_attribute => out.push(c),
            // A reader makes spaces of them otherwise (sections 2.11 and 3.3.3).
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_indented() {
        let root = Element::new("a")
            .with("x:y", 1)
            .child(Element::text("b", "text"))
            .children([Element::new("c")]);
        assert_eq!(
            root.document(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <a x:y=\"1\">\n  <b>text</b>\n  <c/>\n</a>\n"
        );
    }

    #[test]
    fn what_is_special_is_escaped() {
        let root = Element::text("a", "]]> &\n<b>\u{1}").with("q", "\"'\n");
        assert!(
            root.document()
                .ends_with("<a q=\"&quot;'&#10;\">]]&gt; &amp;\n&lt;b&gt;\u{fffd}</a>\n")
        );
    }
}
