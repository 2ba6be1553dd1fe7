//! The drivers of the simulated types.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phx_model::driver::{Created, Cx, Delta, Driver, Observed, Read, ReadTarget, Registry};
use phx_model::error::{CloudError, ErrorKind};
use phx_model::schema::{Identity, Kind, Schema};
use phx_model::state::IntentId;
use phx_model::typed::OutputSet;
use phx_model::{Resource, Value, ValueMap};

use super::store::{Cloud, Facts, Object};
use super::trouble::{ReadFault, Verb, error};
use super::types::{Bucket, Disk, Group, Network, Rule, Server, Subnet};

/// How the cloud treats a type, beyond what its schema says.
pub trait SimType: Resource {
    /// What the ids that the cloud assigns begin with.
    const PREFIX: &'static str;
    /// Whether something is left to do after the object exists.
    const FINISHES: bool = false;
    /// Whether a new object is unseen for a while.
    const LAGS: bool = false;
    /// If not empty: only these fields are set at creation, and the others by finishing.
    const CREATED_BARE: &'static [&'static str] = &[];
    /// Fields whose references don't keep what they refer to from being deleted.
    const WEAK: &'static [&'static str] = &[];

    /// What the cloud fills in.
    fn defaults() -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// The natural key, which is then the id.
    fn key(_fields: &ValueMap) -> Option<String> {
        None
    }

    /// The form in which the cloud keeps a field's value.
    fn stored(_field: &str, value: Value) -> Value {
        value
    }

    /// The outputs of an object.
    fn outputs(facts: &Facts<'_>) -> ValueMap;
}

/// A type's [`SimType`] as data.
pub(crate) struct Conduct {
    pub(crate) schema: &'static Schema,
    pub(crate) prefix: &'static str,
    pub(crate) finishes: bool,
    pub(crate) lags: bool,
    pub(crate) weak: &'static [&'static str],
    created_bare: &'static [&'static str],
    pub(crate) defaults: fn() -> Vec<(&'static str, Value)>,
    pub(crate) key: fn(&ValueMap) -> Option<String>,
    pub(crate) stored: fn(&str, Value) -> Value,
}

impl Conduct {
    fn of<R: SimType>() -> Self {
        Self {
            schema: R::schema(),
            prefix: R::PREFIX,
            finishes: R::FINISHES,
            lags: R::LAGS,
            weak: R::WEAK,
            created_bare: R::CREATED_BARE,
            defaults: R::defaults,
            key: R::key,
            stored: R::stored,
        }
    }

    /// Whether the field is set by finishing, and not by creating.
    pub(crate) fn bare(&self, field: &str) -> bool {
        !self.created_bare.is_empty() && !self.created_bare.contains(&field)
    }
}

/// The conduct of a simulated type.
pub(crate) fn conduct_of(type_name: &str) -> &'static Conduct {
    static ALL: std::sync::LazyLock<BTreeMap<&'static str, Conduct>> = std::sync::LazyLock::new(|| {
        let all = [
            Conduct::of::<Network>(),
            Conduct::of::<Subnet>(),
            Conduct::of::<Group>(),
            Conduct::of::<Rule>(),
            Conduct::of::<Server>(),
            Conduct::of::<Bucket>(),
            Conduct::of::<Disk>(),
        ];
        all.into_iter().map(|c| (c.schema.type_name, c)).collect()
    });
    ALL.get(type_name).expect("a type of the simulated cloud")
}

/// All simulated types, on one cloud.
pub fn registry(cloud: &Arc<Cloud>) -> Registry {
    let mut registry = Registry::new();
    registry.add(SimDriver::<Network>::new(cloud));
    registry.add(SimDriver::<Subnet>::new(cloud));
    registry.add(SimDriver::<Group>::new(cloud));
    registry.add(SimDriver::<Rule>::new(cloud));
    registry.add(SimDriver::<Server>::new(cloud));
    registry.add(SimDriver::<Bucket>::new(cloud));
    registry.add(SimDriver::<Disk>::new(cloud));
    registry.add_places(cloud.clone());
    registry
}

/// The driver of one simulated type.
pub struct SimDriver<R> {
    cloud: Arc<Cloud>,
    of: PhantomData<fn() -> R>,
}

impl<R: SimType> SimDriver<R> {
    fn new(cloud: &Arc<Cloud>) -> Arc<Self> {
        Arc::new(Self { cloud: cloud.clone(), of: PhantomData })
    }

    fn conduct(&self) -> &'static Conduct {
        conduct_of(R::schema().type_name)
    }

    /// The derived code reads what it is given, and writes the same again.
    fn check_typed(&self, want: &ValueMap) -> Result<(), CloudError> {
        let invalid = |e: phx_model::value::ValueError| error(ErrorKind::Invalid, "", None, e.to_string());
        let again = R::fields(&R::resolve(want).map_err(invalid)?);
        for field in R::schema().fields {
            let (a, b) = (want.get(field.name).unwrap_or(&Value::Null), again.get(field.name).unwrap_or(&Value::Null));
            if !phx_model::schema::same(field, a, b) {
                self.cloud.violation(format!("{} does not survive being typed: {a:?} became {b:?}", field.name));
            }
        }
        Ok(())
    }

    fn outputs(&self, object: &Object) -> ValueMap {
        let values = R::outputs(&Facts { id: &object.id, fields: &object.fields, ready: object.ready });
        match R::Outputs::from_values(&values) {
            Ok(typed) => typed.to_values(),
            Err(e) => {
                self.cloud.violation(format!("outputs of {}: {e}", object.id));
                values
            }
        }
    }

    fn created(&self, object: &Object) -> Created {
        Created { id: object.id.clone(), outputs: self.outputs(object), complete: object.ready }
    }

    /// The object as reading shows it: secrets left out, JSON in the cloud's own hand, sets in the cloud's own order.
    fn observed(&self, object: &Object) -> Observed {
        let mut fields = ValueMap::new();
        for field in R::schema().fields.iter().filter(|f| !f.write_only) {
            let Some(value) = object.fields.get(field.name) else { continue };
            let value = match (&field.kind, value) {
                (Kind::Json, value) => value
                    .to_plain_json()
                    .and_then(|json| serde_json::to_string_pretty(&json).ok())
                    .map_or(Value::Null, |text| Value::String(text.into())),
                (_, Value::List(items)) if field.set => Value::List(items.iter().rev().cloned().collect()),
                (_, value) => value.clone(),
            };
            fields.insert(field.name.to_owned(), value);
        }
        Observed { fields, outputs: self.outputs(object) }
    }

    async fn wait(&self, cx: &Cx, id: &str) {
        // A cloud's own pace: what is new can be used after a while, and be seen after a while.
        (cx.progress)(&format!("{id} is pending"));
        let unseen = self.cloud.unseen_for(R::schema().type_name, id).unwrap_or_default();
        tokio::time::sleep(unseen.max(Duration::from_millis(500))).await;
    }
}

#[async_trait]
impl<R: SimType> Driver for SimDriver<R> {
    fn schema(&self) -> &'static Schema {
        R::schema()
    }

    async fn read_many(&self, cx: &Cx, targets: &[ReadTarget<'_>]) -> Result<Vec<Read>, CloudError> {
        let type_name = R::schema().type_name;
        let fault = self.cloud.read_fault(type_name, targets.len());
        let operation = format!("Describe{}", R::schema().short_name());
        let lost = || error(ErrorKind::Unreachable, &operation, None, "the connection was refused");
        self.cloud
            .call(Verb::Read, &cx.provider, type_name, "", &ValueMap::new(), |world| {
                if fault == Some(ReadFault::Call) {
                    return Err(lost());
                }
                let mut reads: Vec<Read> = targets
                    .iter()
                    .map(|t| world.visible(type_name, t.id).map_or(Read::Gone, |o| Read::Present(self.observed(o))))
                    .collect();
                if let (Some(ReadFault::One), Some(first)) = (fault, reads.first_mut()) {
                    *first = Read::Failed(lost());
                }
                Ok(reads)
            })
            .await
    }

    async fn create(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Created, CloudError> {
        self.check_typed(want)?;
        self.cloud
            .call(Verb::Create, &cx.provider, R::schema().type_name, "", want, |world| {
                world.create(self.conduct(), want, intent)
            })
            .await
            .map(|object| self.created(&object))
    }

    async fn finish(&self, cx: &Cx, id: &str, want: &ValueMap) -> Result<Option<ValueMap>, CloudError> {
        self.wait(cx, id).await;
        self.cloud
            .call(Verb::Finish, &cx.provider, R::schema().type_name, id, want, |world| {
                world.finish(self.conduct(), id, want)
            })
            .await
            .map(|object| Some(self.outputs(&object)))
    }

    async fn update(
        &self,
        cx: &Cx,
        id: &str,
        want: &ValueMap,
        change: &BTreeMap<String, Delta>,
    ) -> Result<Option<ValueMap>, CloudError> {
        self.check_typed(want)?;
        R::change(change).map_err(|e| error(ErrorKind::Invalid, "", None, e.to_string()))?;
        self.cloud
            .call(Verb::Update, &cx.provider, R::schema().type_name, id, want, |world| {
                world.update(self.conduct(), id, change)
            })
            .await
            .map(|object| Some(self.outputs(&object)))
    }

    async fn delete(&self, cx: &Cx, id: &str, inputs: &ValueMap) -> Result<(), CloudError> {
        self.cloud
            .call(Verb::Delete, &cx.provider, R::schema().type_name, id, inputs, |world| {
                world.delete(self.conduct(), id)
            })
            .await
    }

    async fn find(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Option<Created>, CloudError> {
        if R::schema().identity == Identity::None {
            self.cloud.violation(format!("{} objects cannot be searched for", R::schema().type_name));
        }
        let token = R::schema().identity == Identity::ClientToken;
        self.cloud
            .call(Verb::Find, &cx.provider, R::schema().type_name, "", want, |world| match token {
                // The same request with the same token: the answer is the object of the first time, or of this time.
                true => world.create(self.conduct(), want, intent).map(Some),
                false => world.find(self.conduct(), want, intent),
            })
            .await
            .map(|found| found.map(|object| self.created(&object)))
    }
}
