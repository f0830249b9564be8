//! Elements that are kept as they came.

use serde::{Deserialize, Serialize};

use crate::xml::{Element, XmlWriter};

/// An element of the types namespace that owns what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) name: String,
    attrs: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Tree>,
}

impl Tree {
    pub(crate) fn leaf(name: &str, text: &str) -> Tree {
        Tree {
            name: name.to_owned(),
            text: text.to_owned(),
            ..Tree::default()
        }
    }

    pub(crate) fn of(name: &str, children: Vec<Tree>) -> Tree {
        Tree {
            name: name.to_owned(),
            children,
            ..Tree::default()
        }
    }

    /// Adds an attribute.
    pub(crate) fn with_attr(mut self, name: &str, value: &str) -> Tree {
        self.attrs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Copies an element of a request.
    pub(crate) fn read(element: &Element<'_>) -> Tree {
        let children: Vec<Tree> = element.children.iter().map(Tree::read).collect();
        Tree {
            name: element.name.clone().into_owned(),
            attrs: element.attrs().to_vec(),
            // Space between elements is no text.
            text: if children.is_empty() {
                element.text.clone().into_owned()
            } else {
                String::new()
            },
            children,
        }
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Tree> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// Puts a child in the place of the one of its name, or behind all others.
    pub(crate) fn set(&mut self, child: Tree) {
        match self.children.iter_mut().find(|old| old.name == child.name) {
            Some(old) => *old = child,
            None => self.children.push(child),
        }
    }

    /// Writes the element under its own name.
    pub(crate) fn write(&self, w: &mut XmlWriter) {
        self.write_as(w, &format!("t:{}", self.name));
    }

    /// Writes the element under another name.
    pub(crate) fn write_as(&self, w: &mut XmlWriter, name: &str) {
        w.start(name);
        for (key, value) in &self.attrs {
            match key.as_str() {
                "lang" => w.attr("xml:lang", value),
                "nil" => {
                    w.attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
                    w.attr("xsi:nil", value);
                }
                key => w.attr(key, value),
            }
        }
        if self.children.is_empty() {
            if !self.text.is_empty() {
                w.text(&self.text);
            }
        } else {
            for child in &self.children {
                child.write(w);
            }
        }
        w.end(name);
    }
}
