//! Tags, and the intent tag among them.

use std::collections::{BTreeMap, BTreeSet};

use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::FieldChange;
use phx_model::value::{Value, ValueMap};

/// The tags to create an object with: those wished for, and the intent's.
pub fn with_intent(tags: &BTreeMap<String, String>, intent: &IntentId) -> BTreeMap<String, String> {
    let mut tags = tags.clone();
    tags.insert(INTENT_TAG.to_owned(), intent.as_str().to_owned());
    tags
}

/// What to set and what to take away for tags to become what is wished. Whoever makes the calls takes away first: AWS refuses an object's
/// fifty-first tag, also if another is about to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagDelta {
    /// To be set.
    pub set: BTreeMap<String, String>,
    /// To be taken away.
    pub remove: BTreeSet<String>,
}

impl TagDelta {
    /// From a change of the field `tags`.
    pub fn of(change: &FieldChange<BTreeMap<String, String>>) -> Self {
        let none = BTreeMap::new();
        let before = change.before.as_ref().unwrap_or(&none);
        let after = change.after.as_ref().unwrap_or(&none);
        // phx's mark is never written over, whatever a program says: by it the object is found again.
        let differs = |k: &String, v: &String| k != INTENT_TAG && before.get(k) != Some(v);
        let set = after.iter().filter(|(k, v)| differs(k, v)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let remove = before.keys().filter(|k| !after.contains_key(*k) && !is_hidden(k)).cloned().collect();
        Self { set, remove }
    }
}

/// Whether a tag is not the program's business: AWS's own, and phx's mark.
pub fn is_hidden(key: &str) -> bool {
    key.starts_with("aws:") || key == INTENT_TAG
}

/// Takes the tags away that a program neither sets nor sees.
pub(crate) fn hide(fields: &mut ValueMap) {
    if let Some(Value::Map(tags)) = fields.get_mut("tags") {
        tags.retain(|key, _| !is_hidden(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_set_and_taken_away() {
        let change = FieldChange {
            before: Some(tags(&[("same", "1"), ("other", "1"), ("gone", "1"), ("phx:intent", "i"), ("aws:x", "y")])),
            after: Some(tags(&[("same", "1"), ("other", "2"), ("new", "1")])),
        };
        let delta = TagDelta::of(&change);
        assert_eq!(delta.set, tags(&[("new", "1"), ("other", "2")]));
        assert_eq!(delta.remove, BTreeSet::from(["gone".to_owned()]));
        assert_eq!(TagDelta::of(&FieldChange { before: None, after: None }), TagDelta::default());
        let mark = FieldChange { before: None, after: Some(tags(&[("phx:intent", "mine")])) };
        assert_eq!(TagDelta::of(&mark), TagDelta::default(), "the mark stays");
    }

    #[test]
    fn the_intent_is_added_and_hidden() {
        let with = with_intent(&tags(&[("a", "b")]), &IntentId("i".into()));
        assert_eq!(with.get("phx:intent").map(String::as_str), Some("i"));
        let mut fields = ValueMap::from([(
            "tags".to_owned(),
            Value::Map(with.into_iter().map(|(k, v)| (k, Value::String(v.into()))).collect()),
        )]);
        hide(&mut fields);
        assert_eq!(fields["tags"], Value::Map([("a".to_owned(), Value::String("b".into()))].into()));
    }
}
