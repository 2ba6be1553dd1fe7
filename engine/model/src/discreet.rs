//! Keeping secrets out of what a cloud says. A cloud that refuses a value likes to quote it, and what it says is shown, logged and stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::driver::{Created, Cx, Delta, Driver, Read, ReadTarget};
use crate::error::CloudError;
use crate::schema::Schema;
use crate::state::IntentId;
use crate::value::{REDACTED, Value, ValueMap};

/// Shorter texts are left: they are no secrets worth the name, and cutting them out of a sentence would leave nothing of it.
const SHORTEST: usize = 3;

/// The secret texts that a call is made with, as a cloud (or a command, or a server) may quote them.
#[derive(Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Those in some values.
    pub fn of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut secrets = Self::default();
        values.into_iter().for_each(|value| secrets.collect(value, false));
        // The longest first: one may be part of another.
        secrets.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.0.dedup();
        secrets
    }

    fn collect(&mut self, value: &Value, secret: bool) {
        match value {
            Value::Secret(inner) => self.collect(inner, true),
            Value::List(items) => items.iter().for_each(|item| self.collect(item, secret)),
            Value::Map(fields) => fields.values().for_each(|field| self.collect(field, secret)),
            Value::String(text) if secret => self.text(text),
            Value::Int(_) | Value::Float(_) if secret => self.text(&format!("{value:?}")),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if text.len() < SHORTEST {
            return;
        }
        self.0.push(text.to_owned());
        // As a request in JSON has it.
        if let Ok(quoted) = serde_json::to_string(text)
            && let Some(escaped) = quoted.get(1..quoted.len() - 1).filter(|escaped| *escaped != text)
        {
            self.0.push(escaped.to_owned());
        }
    }

    /// Puts [`REDACTED`] in the place of each of them in a text.
    pub fn hide(&self, text: &mut String) {
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), REDACTED);
            }
        }
    }

    fn hide_in(&self, mut error: CloudError) -> CloudError {
        let CloudError { kind: _, message, service: _, operation: _, code, request_id: _, hint } = &mut error;
        self.hide(message);
        code.iter_mut().chain(hint).for_each(|text| self.hide(text));
        error
    }

    fn around(self: &Arc<Self>, cx: &Cx) -> Cx {
        if self.0.is_empty() {
            return cx.clone();
        }
        let (secrets, tell) = (self.clone(), cx.progress.clone());
        let progress = Arc::new(move |message: &str| {
            let mut message = message.to_owned();
            secrets.hide(&mut message);
            tell(&message);
        });
        Cx { progress, ..cx.clone() }
    }
}

/// A driver whose errors and progress never quote a secret that it was called with.
pub(crate) struct Discreet(pub(crate) Arc<dyn Driver>);

#[async_trait]
impl Driver for Discreet {
    fn schema(&self) -> &'static Schema {
        self.0.schema()
    }

    async fn read_many(&self, cx: &Cx, targets: &[ReadTarget<'_>]) -> Result<Vec<Read>, CloudError> {
        let read = self.0.read_many(cx, targets).await;
        // Most often nothing failed, and then there is nothing to look through.
        if read.as_ref().is_ok_and(|reads| !reads.iter().any(|r| matches!(r, Read::Failed(_)))) {
            return read;
        }
        let secrets = Secrets::of(targets.iter().flat_map(|t| t.inputs.values()));
        let hide = |read| match read {
            Read::Failed(error) => Read::Failed(secrets.hide_in(error)),
            read => read,
        };
        match read {
            Ok(reads) => Ok(reads.into_iter().map(hide).collect()),
            Err(error) => Err(secrets.hide_in(error)),
        }
    }

    async fn create(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Created, CloudError> {
        let secrets = Arc::new(Secrets::of(want.values()));
        self.0.create(&secrets.around(cx), want, intent).await.map_err(|e| secrets.hide_in(e))
    }

    async fn finish(&self, cx: &Cx, id: &str, want: &ValueMap) -> Result<Option<ValueMap>, CloudError> {
        let secrets = Arc::new(Secrets::of(want.values()));
        self.0.finish(&secrets.around(cx), id, want).await.map_err(|e| secrets.hide_in(e))
    }

    async fn update(
        &self,
        cx: &Cx,
        id: &str,
        want: &ValueMap,
        change: &BTreeMap<String, Delta>,
    ) -> Result<Option<ValueMap>, CloudError> {
        let changed = change.values().flat_map(|delta| [&delta.before, &delta.after]);
        let secrets = Arc::new(Secrets::of(want.values().chain(changed)));
        self.0.update(&secrets.around(cx), id, want, change).await.map_err(|e| secrets.hide_in(e))
    }

    async fn delete(&self, cx: &Cx, id: &str, inputs: &ValueMap) -> Result<(), CloudError> {
        let secrets = Arc::new(Secrets::of(inputs.values()));
        self.0.delete(&secrets.around(cx), id, inputs).await.map_err(|e| secrets.hide_in(e))
    }

    async fn find(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Option<Created>, CloudError> {
        let secrets = Arc::new(Secrets::of(want.values()));
        self.0.find(&secrets.around(cx), want, intent).await.map_err(|e| secrets.hide_in(e))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_quoted_secret_is_cut_out_in_every_form() {
        let text = |t: &str| Value::String(t.into());
        let nested = Value::Map([("a".to_owned(), Value::List(vec![text("pa\"ss")]))].into()).secret();
        let secrets = Secrets::of([&text("open"), &text("hunter2").secret(), &text("hunter2-long").secret(), &nested]);
        let error = CloudError {
            code: Some("hunter2".into()),
            ..CloudError::local(ErrorKind::Invalid, r#"no hunter2-long or {"p":"pa\"ss"} or pa"ss is open"#)
        };
        let hidden = secrets.hide_in(error.hint("not hunter2"));
        assert_eq!(hidden.message, format!(r#"no {REDACTED} or {{"p":"{REDACTED}"}} or {REDACTED} is open"#));
        assert_eq!(hidden.code.as_deref(), Some(REDACTED));
        assert_eq!(hidden.hint, Some(format!("not {REDACTED}")));
    }

    #[test]
    fn what_is_too_short_to_be_a_secret_leaves_sentences_whole() {
        let secrets = Secrets::of([&Value::String("a".into()).secret(), &Value::String("".into()).secret()]);
        let mut text = "a cat".to_owned();
        secrets.hide(&mut text);
        assert_eq!(text, "a cat");
    }
}
