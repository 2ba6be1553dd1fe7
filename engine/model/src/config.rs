//! Typed stack configuration from TOML, with mistakes named by file, line and key.

use std::fmt;
use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A configuration file's text and where it came from.
#[derive(Clone, Debug, Default)]
pub struct ConfigSource {
    /// The file's name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Top-level tables that are phx's own and not the program's: `aws`.
    pub reserved: &'static [&'static str],
}

/// A mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The key, with the tables it lies in: `network.cidr`. Empty if the mistake is not about one.
    pub key: String,
    /// What is wrong; names the key.
    pub message: String,
}

impl ConfigSource {
    /// The program's part of the file: all but the reserved tables. Unknown keys are mistakes.
    pub fn read<C: DeserializeOwned>(&self) -> Result<C, ConfigError> {
        let root = self.parse()?;
        let span = root.span();
        let reserved = |key: &str| self.reserved.contains(&key);
        let own: DeTable<'_> = root.into_inner().into_iter().filter(|(key, _)| !reserved(key.get_ref())).collect();
        self.typed(Spanned::new(span, DeValue::Table(own)), &KeyPath::default())
    }

    /// One of the reserved tables; `None` if the file does not have it. Unknown keys are mistakes.
    pub fn table<C: DeserializeOwned>(&self, name: &str) -> Result<Option<C>, ConfigError> {
        let root = self.parse()?.into_inner();
        let found = root.into_iter().find(|(key, _)| key.get_ref().as_ref() == name);
        found.map(|(_, value)| self.typed(value, &KeyPath::default().key(name))).transpose()
    }

    /// A mistake that the file's reader found out about one of its keys: `path` is the key, with the tables it lies in.
    pub fn mistake(&self, path: &[&str], message: &str) -> ConfigError {
        let path = path.iter().fold(KeyPath::default(), |path, key| path.key(key));
        let at = self.parse().ok().and_then(|root| {
            let span = root.span();
            span_of_key(&Spanned::new(span, DeValue::Table(root.into_inner())), &path)
        });
        self.error(at.map_or(0, |span| span.start), &path, |key| format!("{key}{message}"))
    }

    fn parse(&self) -> Result<Spanned<DeTable<'_>>, ConfigError> {
        let (root, errors) = DeTable::parse_recoverable(&self.text);
        let Some(error) = errors.into_iter().next() else { return Ok(root) };
        let at = error.span().unwrap_or(0..0);
        // What could be read tells which key the mistake is about: the one that its line sets.
        let line = self.position(at.start).0;
        let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
        let mut path = KeyPath::default();
        each(&root, &KeyPath::default(), &mut |entry| {
            if entry.key.as_ref().is_some_and(|key| self.position(key.start).0 == line) {
                path = entry.path.clone();
            }
        });
        Err(self.error(at.start, &path, |key| format!("{key}{}", error.message())))
    }

    /// Reads a value that stands at `base` in the file.
    fn typed<C: DeserializeOwned>(&self, value: Spanned<DeValue<'_>>, base: &KeyPath) -> Result<C, ConfigError> {
        let mut ignored = Vec::new();
        let read = serde_ignored::deserialize(ValueDeserializer::from(value.clone()), |path| {
            ignored.push(KeyPath::of(&path));
        });
        let unknown = |path: &KeyPath| {
            let at = span_of_key(&value, path).unwrap_or_else(|| value.span());
            self.unknown::<C>(at.start, base, path)
        };
        let error = match (read, ignored.first()) {
            (Ok(config), None) => return Ok(config),
            (Ok(_), Some(path)) => return Err(unknown(path)),
            (Err(error), _) => error,
        };
        let span = error.span().unwrap_or_else(|| value.span());
        let path = path_at(&value, &span);
        if error.message().starts_with("unknown field `") {
            return Err(unknown(&path));
        }
        if let Some(name) = quoted_after(error.message(), "missing field `") {
            // A key that is missing and one like it that is not known are one mistake, and it is the latter that has a place.
            let near = |p: &&KeyPath| p.parent() == path && p.last_key().is_some_and(|k| nearest(k, &[name]).is_some());
            if let Some(typo) = ignored.iter().find(near) {
                return Err(unknown(typo));
            }
            let path = base.join(&path).key(name);
            // A table's place is its header; the file's own is its first line.
            let at = if path.0.len() == 1 { 0 } else { span.start };
            return Err(self.error(at, &path, |_| format!("the key `{path}` is missing")));
        }
        let wrong = explain(error.message());
        Err(self.error(span.start, &base.join(&path), |key| format!("{key}{wrong}")))
    }

    fn unknown<C: DeserializeOwned>(&self, at: usize, base: &KeyPath, path: &KeyPath) -> ConfigError {
        let mut known = known_keys::<C>(&path.parent().0).unwrap_or_default().to_vec();
        if base.join(path).0.len() == 1 {
            known.extend(self.reserved);
        }
        let whole = base.join(path);
        let mut message = format!("unknown key `{whole}`");
        if let Some(meant) = path.last_key().and_then(|key| nearest(key, &known)) {
            message.push_str(&format!("; did you mean `{meant}`?"));
        }
        if !known.is_empty() {
            message.push_str(&format!("\n  hint: the known keys are {}", known.join(", ")));
        }
        self.error(at, &whole, |_| message)
    }

    fn error(&self, at: usize, path: &KeyPath, message: impl FnOnce(&str) -> String) -> ConfigError {
        let (line, column) = self.position(at);
        let key = path.to_string();
        let prefix = if key.is_empty() { String::new() } else { format!("`{key}`: ") };
        ConfigError { file: self.file.clone(), line, column, key, message: message(&prefix) }
    }

    /// Line and column, both from 1, of a byte offset.
    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// Where in a document: keys, and positions in lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct KeyPath(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

impl KeyPath {
    fn of(path: &serde_ignored::Path<'_>) -> Self {
        use serde_ignored::Path;
        match path {
            Path::Root => Self::default(),
            Path::Map { parent, key } => Self::of(parent).key(key),
            Path::Seq { parent, index } => Self::of(parent).with(Segment::Index(*index)),
            // Layers of Rust's types, which the file does not have.
            Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
                Self::of(parent)
            }
        }
    }

    fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    fn parent(&self) -> Self {
        let mut path = self.clone();
        path.0.pop();
        path
    }

    fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }
}

/// As it would be written in TOML: `network.zones[2]`.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                    let dot = if i == 0 { "" } else { "." };
                    match !key.is_empty() && key.chars().all(bare) {
                        true => write!(f, "{dot}{key}")?,
                        false => write!(f, "{dot}{key:?}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// One value of a document, with its place.
struct Entry<'a> {
    path: &'a KeyPath,
    /// The place of its key, if it stands under one.
    key: Option<Range<usize>>,
    value: Range<usize>,
}

/// Goes through all values inside one.
fn each(value: &Spanned<DeValue<'_>>, path: &KeyPath, visit: &mut impl FnMut(&Entry<'_>)) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                let path = path.key(key.get_ref());
                visit(&Entry { path: &path, key: Some(key.span()), value: value.span() });
                each(value, &path, visit);
            }
        }
        DeValue::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                let path = path.with(Segment::Index(index));
                visit(&Entry { path: &path, key: None, value: value.span() });
                each(value, &path, visit);
            }
        }
        _ => {}
    }
}

/// The value (or the key) that has exactly this place. The outermost value has the empty path.
fn path_at(root: &Spanned<DeValue<'_>>, span: &Range<usize>) -> KeyPath {
    let mut found = KeyPath::default();
    if root.span() != *span {
        each(root, &KeyPath::default(), &mut |entry| {
            // Of an outer and an inner value at one place, the outer one is a table that the file does not write down.
            if entry.value == *span || entry.key.as_ref() == Some(span) {
                found = entry.path.clone();
            }
        });
    }
    found
}

fn span_of_key(root: &Spanned<DeValue<'_>>, path: &KeyPath) -> Option<Range<usize>> {
    let mut found = None;
    each(root, &KeyPath::default(), &mut |entry| {
        if entry.path == path {
            found = Some(entry.key.clone().unwrap_or_else(|| entry.value.clone()));
        }
    });
    found
}

fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.split('`').next()
}

/// Serde's words for a wrong value, in the order in which people ask: what was expected, and what is there instead.
fn explain(message: &str) -> String {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    // What was found is quoted and may itself say "expected"; what was expected comes last.
    match rest.and_then(|r| r.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            let expected = match expected {
                "a sequence" => "a list".to_owned(),
                "a map" => "a table".to_owned(),
                "a boolean" => "true or false".to_owned(),
                "f32" | "f64" => "a number".to_owned(),
                "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => {
                    format!("a whole number ({expected})")
                }
                other if other.starts_with("struct ") => "a table".to_owned(),
                other => other.to_owned(),
            };
            format!("expected {expected}, found {found}")
        }
        None => message.to_owned(),
    }
}

/// The known word that was most likely meant.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|k| (distance(word, k), *k)).min()?;
    (near.0 <= 1.max(word.chars().count() / 3)).then_some(near.1)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// The keys that a type knows at a path inside it. Serde has no list of them to give, but a type names them when it is read: so it is
/// given just the path to read, and stopped there. `None` if what stands there is not a struct (a map, a list, a flattened struct).
fn known_keys<C: DeserializeOwned>(path: &[Segment]) -> Option<&'static [&'static str]> {
    let mut found = None;
    // It always fails: that is how it is stopped.
    C::deserialize(Probe { path, found: &mut found }).err()?;
    found
}

struct Probe<'a> {
    path: &'a [Segment],
    found: &'a mut Option<&'static [&'static str]>,
}

impl Probe<'_> {
    fn stop() -> de::value::Error {
        de::Error::custom("the probe has arrived")
    }

    /// The key or position to go into next, and what is left of the path then. Once.
    fn step(&mut self) -> Option<&Segment> {
        let (first, rest) = self.path.split_first()?;
        self.path = rest;
        Some(first)
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.path.first() {
            Some(Segment::Key(_)) => visitor.visit_map(Step { probe: self, entered: false }),
            Some(Segment::Index(_)) => visitor.visit_seq(Step { probe: self, entered: false }),
            None => Err(Self::stop()),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if self.path.is_empty() {
            *self.found = Some(fields);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// One step of the path, as a table or a list with just that in it.
struct Step<'a> {
    probe: Probe<'a>,
    entered: bool,
}

impl Step<'_> {
    fn go<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, de::value::Error> {
        seed.deserialize(Probe { path: self.probe.path, found: self.probe.found })
    }
}

impl<'de> MapAccess<'de> for Step<'_> {
    type Error = de::value::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        match (self.entered, self.probe.step()) {
            (false, Some(Segment::Key(key))) => {
                let value = seed.deserialize(StrDeserializer::new(key)).map(Some);
                self.entered = true;
                value
            }
            _ => Err(Probe::stop()),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Self::Error> {
        self.go(seed)
    }
}

impl<'de> SeqAccess<'de> for Step<'_> {
    type Error = de::value::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Self::Error> {
        match (self.entered, self.probe.step().is_some()) {
            (false, true) => {
                self.entered = true;
                self.go(seed).map(Some)
            }
            _ => Err(Probe::stop()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_near_that_differ_by_a_slip() {
        for (a, b, expected) in [
            ("", "", 0),
            ("cidr", "cidr", 0),
            ("cdir", "cidr", 1),
            ("", "ab", 2),
            ("sise", "size", 1),
            ("nat", "zones", 4),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a:?} {b:?}");
        }
        assert_eq!(nearest("flow_log", &["zones", "flow_logs"]), Some("flow_logs"));
        assert_eq!(nearest("colour", &["name", "network"]), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn what_was_found_may_say_anything() {
        assert_eq!(
            explain("invalid type: string \"a, expected b\", expected a sequence"),
            "expected a list, found string \"a, expected b\""
        );
        assert_eq!(explain("the sky is falling, expected rain"), "the sky is falling, expected rain");
    }
}
