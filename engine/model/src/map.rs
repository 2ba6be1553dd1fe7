//! Small maps and sets as sorted lists: records hold half a dozen of them each, and a tree's nodes would take several times the room.

use std::fmt;
use std::ops::{Deref, DerefMut, Index};
use std::sync::Arc;

use litemap::LiteMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::urn::Urn;
use crate::value::{Text, Value};

/// Fields by name. Ordered, so that everything made from it is the same every time.
#[derive(Clone, PartialEq, Default)]
pub struct ValueMap(LiteMap<Text, Value>);

impl ValueMap {
    /// A map with nothing in it.
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// The value under a name.
    pub fn get(&self, name: impl AsRef<str>) -> Option<&Value> {
        self.0.get(name.as_ref())
    }

    /// The value under a name, to be changed.
    pub fn get_mut(&mut self, name: impl AsRef<str>) -> Option<&mut Value> {
        self.0.get_mut(name.as_ref())
    }

    /// Whether there is a value under a name.
    pub fn contains_key(&self, name: impl AsRef<str>) -> bool {
        self.0.contains_key(name.as_ref())
    }

    /// Takes the value under a name out.
    pub fn remove(&mut self, name: impl AsRef<str>) -> Option<Value> {
        self.0.remove(name.as_ref())
    }

    /// Puts a value under a name, and gives back the one that was there.
    pub fn insert(&mut self, name: impl Into<Text>, value: Value) -> Option<Value> {
        self.0.insert(name.into(), value)
    }

    /// The value under a name; `value` is put there first if there is none.
    pub fn get_or_insert_with(&mut self, name: &str, value: impl FnOnce() -> Value) -> &mut Value {
        self.0.entry(name.into()).or_insert_with(value)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

impl Deref for ValueMap {
    type Target = LiteMap<Text, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for ValueMap {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Index<&str> for ValueMap {
    type Output = Value;

    #[allow(clippy::expect_used)] // as with every map: who indexes says that it is there
    fn index(&self, name: &str) -> &Value {
        self.0.get(name).expect("a value of this name")
    }
}

impl<K: Into<Text>> FromIterator<(K, Value)> for ValueMap {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl<K: Into<Text>> Extend<(K, Value)> for ValueMap {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, pairs: I) {
        self.0.extend(pairs.into_iter().map(|(name, value)| (name.into(), value)));
    }
}

impl<K: Into<Text>, const N: usize> From<[(K, Value); N]> for ValueMap {
    fn from(pairs: [(K, Value); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl IntoIterator for ValueMap {
    type Item = (Text, Value);
    type IntoIter = <LiteMap<Text, Value> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ValueMap {
    type Item = (&'a Text, &'a Value);
    type IntoIter = <&'a LiteMap<Text, Value> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&self.0).into_iter()
    }
}

impl fmt::Debug for ValueMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl Serialize for ValueMap {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for ValueMap {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ValueMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<ValueMap, A::Error> {
                // Sorted once at the end: names may come in any order.
                let mut pairs: Vec<(Text, Value)> = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                pairs.shrink_to_fit();
                Ok(pairs.into_iter().collect())
            }
        }
        d.deserialize_map(Visitor)
    }
}

/// A set of URNs, in order. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Urns(Arc<[Urn]>);

impl Urns {
    /// The URNs.
    pub fn iter(&self) -> std::slice::Iter<'_, Urn> {
        self.0.iter()
    }

    /// Whether it has one of them.
    pub fn contains(&self, urn: &Urn) -> bool {
        self.0.binary_search(urn).is_ok()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Default for Urns {
    fn default() -> Self {
        // Most objects depend on something; of those that do not, one empty list serves all.
        static NONE: std::sync::LazyLock<Arc<[Urn]>> = std::sync::LazyLock::new(|| Arc::from(Vec::new()));
        Self(NONE.clone())
    }
}

impl FromIterator<Urn> for Urns {
    fn from_iter<I: IntoIterator<Item = Urn>>(urns: I) -> Self {
        let mut urns: Vec<Urn> = urns.into_iter().collect();
        if urns.is_empty() {
            return Self::default();
        }
        urns.sort_unstable();
        urns.dedup();
        Self(urns.into())
    }
}

impl<const N: usize> From<[Urn; N]> for Urns {
    fn from(urns: [Urn; N]) -> Self {
        urns.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Urns {
    type Item = &'a Urn;
    type IntoIter = std::slice::Iter<'a, Urn>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Urns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl Serialize for Urns {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Urns {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Vec::<Urn>::deserialize(d).map(|urns| urns.into_iter().collect())
    }
}
