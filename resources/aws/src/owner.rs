//! Whose an object is that already bears the name that the program wants.

use std::collections::BTreeMap;

use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::schema::satisfied;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::Resource;
use phx_model::value::Value;

/// Passes if the object was made by this intent. `what` names it: "the role deploy".
pub fn check(what: &str, tags: &BTreeMap<String, String>, intent: &IntentId) -> Result<(), CloudError> {
    let lineage = |id: &str| id.split('.').next().unwrap_or_default().to_owned();
    let (whose, hint) = match tags.get(INTENT_TAG) {
        Some(mark) if mark == intent.as_str() => return Ok(()),
        Some(mark) if lineage(mark) == lineage(intent.as_str()) => (
            format!("it was made by an earlier step of this stack ({mark})"),
            "adopt it with `phx import`, or delete it if nothing needs it any more",
        ),
        Some(mark) => (
            format!("it was made by another phx stack ({mark})"),
            "choose another name; two stacks must not manage one object",
        ),
        None => (
            "it does not bear this stack's mark".to_owned(),
            "choose another name, or adopt it with `phx import` if it is this stack's to manage",
        ),
    };
    Err(CloudError::local(ErrorKind::AlreadyExists, format!("{what} is there already, and {whose}")).hint(hint))
}

/// Passes if the object is what the program wants, for objects that can bear no mark: one that is already there with the wanted name is taken
/// over if it is just so, and never changed into it.
pub fn check_alike<R: Resource>(what: &str, want: &R::Resolved, there: &R::Resolved) -> Result<(), CloudError> {
    let (want, there) = (R::fields(want), R::fields(there));
    let differs = R::schema().fields.iter().filter(|f| !f.write_only).find(|field| {
        let there = there.get(field.name).unwrap_or(&Value::Null);
        match want.get(field.name) {
            Some(wanted) => !satisfied(field, wanted, there),
            None => !field.cloud_default && !satisfied(field, &Value::Null, there),
        }
    });
    match differs {
        None => Ok(()),
        Some(field) => {
            let message = format!("{what} is there already, with another {}", field.name);
            Err(CloudError::local(ErrorKind::AlreadyExists, message)
                .hint("choose another name, or adopt it with `phx import` if it is this stack's to manage"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_intents_own_object_passes() {
        let intent = IntentId("line.op.1".into());
        let marked = |mark: &str| BTreeMap::from([(INTENT_TAG.to_owned(), mark.to_owned())]);
        assert_eq!(check("the role r", &marked("line.op.1"), &intent), Ok(()));
        for (tags, whose) in [
            (marked("line.op.2"), "an earlier step of this stack (line.op.2)"),
            (marked("other.op.1"), "another phx stack (other.op.1)"),
            (BTreeMap::new(), "does not bear this stack's mark"),
        ] {
            let error = check("the role r", &tags, &intent).unwrap_err();
            assert_eq!(error.kind, ErrorKind::AlreadyExists);
            assert!(error.message.contains("the role r") && error.message.contains(whose), "{error}");
        }
    }
}
