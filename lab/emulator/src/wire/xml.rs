//! A writer of well-formed XML.

use std::fmt::Display;

use bytes::Bytes;

#[derive(Debug)]
pub(crate) struct Xml {
    text: String,
    open: Vec<&'static str>,
}

impl Xml {
    pub(crate) fn new(root: &'static str, namespace: &str) -> Self {
        let mut text = String::with_capacity(1024);
        text.push_str("<?xml version=\"1.0\"?>\n<");
        text.push_str(root);
        text.push_str(" xmlns=\"");
        text.push_str(namespace);
        text.push_str("\">");
        Self { text, open: vec![root] }
    }

    pub(crate) fn open(&mut self, tag: &'static str) -> &mut Self {
        self.text.push('<');
        self.text.push_str(tag);
        self.text.push('>');
        self.open.push(tag);
        self
    }

    pub(crate) fn close(&mut self) -> &mut Self {
        if let Some(tag) = self.open.pop() {
            self.text.push_str("</");
            self.text.push_str(tag);
            self.text.push('>');
        }
        self
    }

    pub(crate) fn leaf(&mut self, tag: &'static str, value: impl Display) -> &mut Self {
        self.open(tag);
        let value = value.to_string();
        for character in value.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                other => self.text.push(other),
            }
        }
        self.close()
    }

    pub(crate) fn optional(&mut self, tag: &'static str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.leaf(tag, value),
            None => self,
        }
    }

    /// The id of the request, as the query protocol ends its answers.
    pub(crate) fn metadata(&mut self, request_id: &str) -> &mut Self {
        self.open("ResponseMetadata").leaf("RequestId", request_id).close()
    }

    pub(crate) fn finish(&mut self) -> Bytes {
        while !self.open.is_empty() {
            self.close();
        }
        std::mem::take(&mut self.text).into()
    }
}
