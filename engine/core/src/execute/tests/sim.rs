//! A simulated cloud of one type.
#![allow(clippy::result_large_err)] // as in `step`

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use phx_model::driver::{Created, Cx, Delta, Driver, Observed, Read, ReadTarget};
use phx_model::error::ErrorKind;
use phx_model::schema::Schema;
use phx_model::state::IntentId;
use phx_model::{CloudError, Value, ValueMap};

/// What a call of a verb on an object of this name does instead of working.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Refuse,
    /// The call has its effect, and the answer is lost.
    LoseAnswer,
    /// The call is lost.
    LoseCall,
    Taken,
    /// It waits for ever.
    Hang,
}

#[derive(Default)]
pub(super) struct Cloud {
    pub(super) objects: BTreeMap<String, ValueMap>,
    intents: BTreeMap<IntentId, String>,
    pub(super) faults: BTreeMap<(&'static str, String), Vec<Fault>>,
    /// `create a`, in order.
    pub(super) calls: Vec<String>,
    next: usize,
    /// Whether creating leaves something for `finish` to do.
    pub(super) in_two_steps: bool,
    pub(super) unreadable: bool,
    /// Whether an object is found by its size alone, as others are by a name.
    pub(super) found_by_size: bool,
    /// How long finishing waits, without working.
    pub(super) wait: Duration,
    running: usize,
    pub(super) most: usize,
}

#[derive(Clone)]
pub(super) struct Sim {
    pub(super) cloud: Arc<Mutex<Cloud>>,
    pub(super) schema: &'static Schema,
}

fn error(kind: ErrorKind) -> CloudError {
    CloudError::local(kind, format!("the simulated cloud says {kind:?}"))
}

pub(super) fn name_of(fields: &ValueMap) -> String {
    fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Sim {
    /// Counts the call and takes its time. `Some`: what it does instead of working.
    async fn call(&self, verb: &'static str, name: &str) -> Option<Fault> {
        let fault = {
            let mut cloud = self.cloud.lock().unwrap();
            cloud.calls.push(format!("{verb} {name}"));
            cloud.running += 1;
            cloud.most = cloud.most.max(cloud.running);
            let faults = cloud.faults.get_mut(&(verb, name.to_owned()));
            faults.filter(|f| !f.is_empty()).map(|f| f.remove(0))
        };
        if fault == Some(Fault::Hang) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.cloud.lock().unwrap().running -= 1;
        fault
    }

    fn refusal(fault: Option<Fault>) -> Result<(), CloudError> {
        match fault {
            Some(Fault::Refuse) => Err(error(ErrorKind::Other)),
            Some(Fault::LoseCall) => Err(error(ErrorKind::Ambiguous)),
            Some(Fault::Taken) => Err(error(ErrorKind::AlreadyExists)),
            _ => Ok(()),
        }
    }

    fn answer<T>(fault: Option<Fault>, answer: T) -> Result<T, CloudError> {
        if fault == Some(Fault::LoseAnswer) { Err(error(ErrorKind::Ambiguous)) } else { Ok(answer) }
    }
}

fn outputs(id: &str) -> ValueMap {
    [("id".to_owned(), Value::String(id.into())), ("version".to_owned(), Value::String("1".into()))].into()
}

#[async_trait]
impl Driver for Sim {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    async fn read_many(&self, _: &Cx, targets: &[ReadTarget<'_>]) -> Result<Vec<Read>, CloudError> {
        let mut cloud = self.cloud.lock().unwrap();
        cloud.calls.push(format!("read {}", targets.len()));
        let read = |t: &ReadTarget<'_>| match cloud.objects.get(t.id) {
            _ if cloud.unreadable => Read::Failed(error(ErrorKind::Denied)),
            Some(fields) if cloud.found_by_size && fields.get("size") != t.inputs.get("size") => Read::Gone,
            Some(fields) => Read::Present(Observed { fields: fields.clone(), outputs: outputs(t.id) }),
            None => Read::Gone,
        };
        Ok(targets.iter().map(read).collect())
    }

    async fn create(&self, _: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Created, CloudError> {
        let fault = self.call("create", &name_of(want)).await;
        Self::refusal(fault)?;
        let mut cloud = self.cloud.lock().unwrap();
        cloud.next += 1;
        let id = format!("obj-{}", cloud.next);
        let mut fields = want.clone();
        if cloud.in_two_steps {
            fields.remove("size");
        }
        cloud.objects.insert(id.clone(), fields);
        cloud.intents.insert(intent.clone(), id.clone());
        Self::answer(fault, Created { outputs: outputs(&id), id, complete: !cloud.in_two_steps })
    }

    async fn finish(&self, cx: &Cx, id: &str, want: &ValueMap) -> Result<Option<ValueMap>, CloudError> {
        let wait = self.cloud.lock().unwrap().wait;
        if !wait.is_zero() {
            cx.pause(tokio::time::sleep(wait)).await;
        }
        let fault = self.call("finish", &name_of(want)).await;
        Self::refusal(fault)?;
        self.cloud.lock().unwrap().objects.insert(id.to_owned(), want.clone());
        Self::answer(fault, None)
    }

    async fn update(
        &self,
        _: &Cx,
        id: &str,
        want: &ValueMap,
        change: &BTreeMap<String, Delta>,
    ) -> Result<Option<ValueMap>, CloudError> {
        let fault = self.call("update", &name_of(want)).await;
        Self::refusal(fault)?;
        let mut cloud = self.cloud.lock().unwrap();
        let fields = cloud.objects.get_mut(id).ok_or_else(|| error(ErrorKind::NotFound))?;
        for (name, delta) in change {
            fields.insert(name.clone(), delta.after.clone());
        }
        Self::answer(fault, None)
    }

    async fn delete(&self, _: &Cx, id: &str, inputs: &ValueMap) -> Result<(), CloudError> {
        let fault = self.call("delete", &name_of(inputs)).await;
        Self::refusal(fault)?;
        self.cloud.lock().unwrap().objects.remove(id);
        Self::answer(fault, ())
    }

    async fn find(&self, _: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Option<Created>, CloudError> {
        let fault = self.call("find", &name_of(want)).await;
        Self::refusal(fault)?;
        let cloud = self.cloud.lock().unwrap();
        let id = cloud.intents.get(intent).filter(|id| cloud.objects.contains_key(*id));
        Ok(id.map(|id| Created { id: id.clone(), outputs: outputs(id), complete: true }))
    }
}
