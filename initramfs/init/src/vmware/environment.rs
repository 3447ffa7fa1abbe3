//! The properties of a virtual machine, as an OVF environment holds them (DSP0243,
//! section 11): `<Property oe:key="appliance.address" oe:value="…"/>`.
//!
//! Read are only those elements, wherever they stand: the document is the
//! hypervisor's and has been read by its own tools. Values with character
//! references are none of ours: no value that we take needs one.

/// The properties in their order, as key and value.
pub fn properties(document: &str) -> impl Iterator<Item = (&str, &str)> {
    let elements = document.split('<').skip(1);
    elements.filter_map(|element| {
        let (name, attributes) = element.split_once(|c: char| c.is_ascii_whitespace())?;
        if name.rsplit(':').next() != Some("Property") {
            return None;
        }
        Some((attribute(attributes, "key")?, attribute(attributes, "value")?))
    })
}

/// The value of an attribute, whatever its prefix.
fn attribute<'a>(mut text: &'a str, wanted: &str) -> Option<&'a str> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let rest = rest.trim_ascii_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, after) = rest[1..].split_once(quote)?;
        if name.trim_ascii().rsplit(':').next() == Some(wanted) {
            return Some(value);
        }
        text = after;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// As the example of DSP0243 has it, with VMware's further elements.
    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Environment
     xmlns="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
     oe:id="">
   <PlatformSection>
      <Kind>VMware ESXi</Kind>
   </PlatformSection>
   <PropertySection>
         <Property oe:key="appliance.hostname" oe:value="shop"/>
         <Property oe:value = '192.168.1.7/24' oe:key='appliance.address' />
         <Property oe:key="other"/>
   </PropertySection>
</Environment>"#;

    #[test]
    fn properties_are_found() {
        let found: Vec<_> = properties(DOCUMENT).collect();
        let expected = [("appliance.hostname", "shop"), ("appliance.address", "192.168.1.7/24")];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_document_has_none() {
        for text in
            ["", "<", "<Property", "<Property ", "<Property key", "<Property key=", "<P x='"]
        {
            assert_eq!(properties(text).count(), 0, "{text}");
        }
    }
}
