//! The trait of an AWS resource type, and its adapter to the engine's [`Driver`].

use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use phx_model::CloudError;
use phx_model::driver::{self, Cx, Delta, Driver, Observed, Read, ReadTarget, Registry};
use phx_model::error::ErrorKind;
use phx_model::schema::Schema;
use phx_model::state::IntentId;
use phx_model::typed::{OutputSet, Resource};
use phx_model::value::{Value, ValueError, ValueMap};

use crate::client::Aws;
use crate::tags;

/// An object to be read.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// AWS's id of it.
    pub id: &'a str,
    /// What phx last set on it; empty for an object that is being adopted.
    pub inputs: &'a ValueMap,
}

impl Target<'_> {
    /// Whether a field is worth a call of its own: it was set, or the object is being adopted and all of it is wanted.
    pub fn wants(&self, field: &str) -> bool {
        self.inputs.is_empty() || self.inputs.contains_key(field)
    }
}

/// What reading one object found.
#[derive(Debug)]
pub enum Found<R: Resource> {
    /// It is there.
    Present {
        /// The fields, as a program would have to set them. Those that cannot be read are left out, and so are write-only ones.
        /// Boxed: some types have dozens.
        fields: Box<R::Resolved>,
        /// The outputs.
        outputs: Box<R::Outputs>,
    },
    /// AWS answered, and it is not there.
    Gone,
    /// Whether it is there is not known.
    Failed(CloudError),
}

impl<R: Resource> Found<R> {
    /// It is there.
    pub fn present(fields: R::Resolved, outputs: R::Outputs) -> Self {
        Self::Present { fields: Box::new(fields), outputs: Box::new(outputs) }
    }
}

/// What creating an object gave.
#[derive(Debug)]
pub struct Created<R: Resource> {
    /// AWS's id of it.
    pub id: String,
    /// The outputs, as far as they are decided.
    pub outputs: R::Outputs,
    /// Whether nothing is left to do; otherwise [`Manage::finish`] is called.
    pub complete: bool,
}

/// An AWS resource type: its verbs. See [`Driver`] for what the engine expects of them.
pub trait Manage: Resource + Sized {
    /// Reads objects of one place with as few calls as AWS allows. The answers are in the order of the targets. An error means
    /// that nothing is known of any of them.
    fn read_many(
        aws: &Aws,
        cx: &Cx,
        targets: &[Target<'_>],
    ) -> impl Future<Output = Result<Vec<Found<Self>>, CloudError>> + Send;

    /// Makes the object with one call, marked so that [`find`](Manage::find) finds it.
    fn create(
        aws: &Aws,
        cx: &Cx,
        want: &Self::Resolved,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Created<Self>, CloudError>> + Send;

    /// Does what is left after the object exists. Repeating it is harmless. Returns the outputs if they changed.
    fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &Self::Resolved,
    ) -> impl Future<Output = Result<Option<Self::Outputs>, CloudError>> + Send {
        let _ = (aws, cx, id, want);
        async { Ok(None) }
    }

    /// Changes the fields named in `change`, and no others. Repeating it is harmless. Returns the outputs if they changed.
    fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &Self::Resolved,
        change: &Self::Change,
    ) -> impl Future<Output = Result<Option<Self::Outputs>, CloudError>> + Send;

    /// Deletes the object and waits until it is gone. One that is gone already is deleted. `was` is what phx last set on it, if
    /// that is known.
    fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        was: Option<&Self::Resolved>,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Looks for the object that an earlier [`create`](Manage::create) with this intent made. `None`: AWS knows none.
    fn find(
        aws: &Aws,
        cx: &Cx,
        want: &Self::Resolved,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Option<Created<Self>>, CloudError>> + Send;
}

/// Adds a type.
pub fn register<R: Manage>(registry: &mut Registry, aws: &Aws) {
    registry.add(Arc::new(Typed::<R> { aws: aws.clone(), of: PhantomData }));
}

/// A type as the engine's driver: values in, values out.
struct Typed<R> {
    aws: Aws,
    of: PhantomData<fn() -> R>,
}

/// A value of a form that the type does not have. It was checked when the program was written down, so either the program put an
/// expression of the wrong kind there or the state is of another version.
fn malformed(schema: &Schema, error: &ValueError) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{}: {error}", schema.type_name))
}

fn created<R: Manage>(schema: &Schema, made: Created<R>) -> driver::Created {
    driver::Created { id: made.id, outputs: outputs::<R>(schema, &made.outputs), complete: made.complete }
}

fn outputs<R: Manage>(schema: &Schema, outputs: &R::Outputs) -> ValueMap {
    let mut values = outputs.to_values();
    mark_secret(&mut values, schema.outputs.iter().filter(|o| o.secret).map(|o| o.name));
    values
}

fn observed<R: Manage>(schema: &Schema, fields: &R::Resolved, out: &R::Outputs) -> Observed {
    let mut values = R::fields(fields);
    values.retain(|name, _| !schema.field(name).is_some_and(|f| f.write_only));
    mark_secret(&mut values, schema.fields.iter().filter(|f| f.secret).map(|f| f.name));
    tags::hide(&mut values);
    Observed { fields: values, outputs: outputs::<R>(schema, out) }
}

fn mark_secret(values: &mut ValueMap, names: impl Iterator<Item = &'static str>) {
    for name in names {
        if let Some(value) = values.get_mut(name) {
            *value = std::mem::replace(value, Value::Null).secret();
        }
    }
}

#[async_trait]
impl<R: Manage> Driver for Typed<R> {
    fn schema(&self) -> &'static Schema {
        R::schema()
    }

    async fn read_many(&self, cx: &Cx, targets: &[ReadTarget<'_>]) -> Result<Vec<Read>, CloudError> {
        let schema = R::schema();
        let targets: Vec<Target<'_>> = targets.iter().map(|t| Target { id: t.id, inputs: t.inputs }).collect();
        let found = R::read_many(&self.aws, cx, &targets).await?;
        let reads = found.into_iter().map(|found| match found {
            Found::Present { fields, outputs } => Read::Present(observed::<R>(schema, &fields, &outputs)),
            Found::Gone => Read::Gone,
            Found::Failed(error) => Read::Failed(error),
        });
        Ok(reads.collect())
    }

    async fn create(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<driver::Created, CloudError> {
        let schema = R::schema();
        let want = R::resolve(want).map_err(|e| malformed(schema, &e))?;
        Ok(created(schema, R::create(&self.aws, cx, &want, intent).await?))
    }

    async fn finish(&self, cx: &Cx, id: &str, want: &ValueMap) -> Result<Option<ValueMap>, CloudError> {
        let schema = R::schema();
        let want = R::resolve(want).map_err(|e| malformed(schema, &e))?;
        let out = R::finish(&self.aws, cx, id, &want).await?;
        Ok(out.map(|out| outputs::<R>(schema, &out)))
    }

    async fn update(
        &self,
        cx: &Cx,
        id: &str,
        want: &ValueMap,
        change: &BTreeMap<String, Delta>,
    ) -> Result<Option<ValueMap>, CloudError> {
        let schema = R::schema();
        let want = R::resolve(want).map_err(|e| malformed(schema, &e))?;
        let change = R::change(change).map_err(|e| malformed(schema, &e))?;
        let out = R::update(&self.aws, cx, id, &want, &change).await?;
        Ok(out.map(|out| outputs::<R>(schema, &out)))
    }

    async fn delete(&self, cx: &Cx, id: &str, inputs: &ValueMap) -> Result<(), CloudError> {
        // An adopted object's inputs may be incomplete; it can be deleted all the same.
        let was = R::resolve(inputs).ok();
        R::delete(&self.aws, cx, id, was.as_ref()).await
    }

    async fn find(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Option<driver::Created>, CloudError> {
        let schema = R::schema();
        let want = R::resolve(want).map_err(|e| malformed(schema, &e))?;
        let found = R::find(&self.aws, cx, &want, intent).await?;
        Ok(found.map(|found| created(schema, found)))
    }
}
