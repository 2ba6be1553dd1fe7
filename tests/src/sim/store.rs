//! What the simulated cloud holds, and the rules by which it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phx_model::driver::Places;
use phx_model::error::{CloudError, ErrorKind};
use phx_model::provider::Provider;
use phx_model::schema::{Kind, Schema};
use phx_model::state::{Change, IntentId, ProviderKey};
use phx_model::{Value, ValueMap};

use super::driver::{Conduct, conduct_of};
use super::trouble::{Call, Counts, Fault, ReadFault, Rng, Verb, error};
use crate::life::Life;
use crate::tap::Durable;

/// An object in the cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its type.
    pub type_name: &'static str,
    /// The id that the cloud gave it.
    pub id: String,
    /// The account and region that it lies in; empty for the stack's own.
    pub place: String,
    /// Its fields, secrets in the open: nobody sees them but the cloud.
    pub fields: ValueMap,
    /// The intent whose create made it; `None` if someone outside phx did.
    pub intent: Option<IntentId>,
    /// Whether it can be used.
    pub ready: bool,
    /// From when on it is found and read, in the cloud's time.
    pub visible_from: Duration,
    /// Fields that someone outside phx was the last to set.
    pub foreign: BTreeSet<String>,
    /// The request that made it, which a repetition with the same token must equal.
    request: ValueMap,
}

/// What an object's outputs are made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The object's id.
    pub id: &'a str,
    /// Its fields.
    pub fields: &'a ValueMap,
    /// Whether it can be used.
    pub ready: bool,
}

/// Something that someone outside phx does.
#[derive(Clone, Debug)]
pub enum Outside {
    /// Sets a field.
    Set(&'static str, Value),
    /// Adds a tag.
    Tag(String, String),
    /// Deletes the object, and everything that refers to it.
    Delete,
}

type Fate = Box<dyn FnMut(&Call<'_>) -> Option<Fault> + Send>;
type ReadFate = Box<dyn FnMut(&'static str, u64) -> Option<ReadFault> + Send>;

struct Inner {
    objects: BTreeMap<(&'static str, String), Object>,
    next: u64,
    rng: Rng,
    latency: (Duration, Duration),
    lag: Duration,
    counts: Counts,
    calls: u64,
    reads: u64,
    fate: Fate,
    read_fate: ReadFate,
    violations: Vec<String>,
    log: Vec<String>,
    /// What the keys of places mean, as the engine has told.
    providers: BTreeMap<ProviderKey, Provider>,
    /// Roles that nobody may assume.
    forbidden: BTreeSet<String>,
    /// The cloud's time when this run began, and the runtime's at that moment.
    clock: (Duration, Option<tokio::time::Instant>),
}

/// The simulated cloud. See the [module](super).
pub struct Cloud {
    inner: Arc<Mutex<Inner>>,
    life: Arc<Life>,
    durable: Arc<Durable>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.lock().objects.values()).finish()
    }
}

impl Cloud {
    /// An empty cloud. `durable` is what it checks intents against.
    pub fn new(seed: u64, life: Arc<Life>, durable: Arc<Durable>) -> Self {
        let inner = Inner {
            objects: BTreeMap::new(),
            next: 0,
            rng: Rng::new(seed),
            latency: (Duration::from_millis(20), Duration::from_millis(200)),
            lag: Duration::from_secs(3),
            counts: Counts::default(),
            calls: 0,
            reads: 0,
            fate: Box::new(|_| None),
            read_fate: Box::new(|_, _| None),
            violations: Vec::new(),
            log: Vec::new(),
            providers: BTreeMap::new(),
            forbidden: BTreeSet::new(),
            clock: (Duration::ZERO, None),
        };
        Self { inner: Arc::new(Mutex::new(inner)), life, durable }
    }

    /// The same cloud as another process sees it, whose life and whose durable intents are others.
    #[must_use]
    pub fn seen_by(&self, life: Arc<Life>, durable: Arc<Durable>) -> Self {
        Self { inner: self.inner.clone(), life, durable }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins: its runtime's clock begins where the cloud's stands, and counting begins at nothing.
    pub fn begin_run(&self) {
        let mut inner = self.lock();
        inner.clock.1 = Some(tokio::time::Instant::now());
        // Another process: whatever keys mean, it has to be told anew.
        inner.providers.clear();
        inner.counts = Counts::default();
        inner.calls = 0;
        inner.reads = 0;
        inner.log.clear();
    }

    /// A run ends, inside its runtime; `pause` passes until the next one begins.
    pub fn end_run(&self, pause: Duration) {
        let mut inner = self.lock();
        inner.clock = (inner.now() + pause, None);
    }

    /// Decides about every call that is not a read.
    pub fn set_fate(&self, fate: impl FnMut(&Call<'_>) -> Option<Fault> + Send + 'static) {
        self.lock().fate = Box::new(fate);
    }

    /// Decides about every read, by type and number from 0.
    pub fn set_read_fate(&self, fate: impl FnMut(&'static str, u64) -> Option<ReadFault> + Send + 'static) {
        self.lock().read_fate = Box::new(fate);
    }

    /// Nothing goes wrong any more.
    pub fn calm(&self) {
        self.set_fate(|_| None);
        self.set_read_fate(|_, _| None);
    }

    /// Every call takes so long, from and to.
    pub fn set_latency(&self, from: Duration, to: Duration) {
        self.lock().latency = (from, to);
    }

    /// What is new stays unseen for up to so long, in types that know such a thing.
    pub fn set_lag(&self, lag: Duration) {
        self.lock().lag = lag;
    }

    /// Nobody may assume the role any more; or, with `false`, everybody again.
    pub fn forbid(&self, role: &str, yes: bool) {
        let mut inner = self.lock();
        match yes {
            true => inner.forbidden.insert(role.to_owned()),
            false => inner.forbidden.remove(role),
        };
    }

    /// The key of a place as a call has it: one whose role nobody has told of is a violation.
    fn place_of(&self, provider: &ProviderKey) -> Result<String, CloudError> {
        let mut inner = self.lock();
        if provider.place().name.is_some() {
            let role = inner.providers.get(provider).and_then(|p| p.role.clone());
            match role {
                None => inner.violations.push(format!("nobody told what the place {} is", provider.0)),
                Some(role) if inner.forbidden.contains(&role.arn) => {
                    let said = format!("the role {} cannot be assumed", role.arn);
                    return Err(error(ErrorKind::Denied, "AssumeRole", Some("AccessDenied"), said));
                }
                Some(_) => {}
            }
        }
        Ok(provider.0.split('@').next().unwrap_or_default().to_owned())
    }

    /// The calls of this run.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// What was done in this run, in order: `create net-000001`.
    pub fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// Everything that is there.
    pub fn objects(&self) -> Vec<Object> {
        self.lock().objects.values().cloned().collect()
    }

    /// One object.
    pub fn object(&self, type_name: &str, id: &str) -> Option<Object> {
        self.lock().objects.values().find(|o| o.type_name == type_name && o.id == id).cloned()
    }

    /// What a correct engine would not have done; emptied by asking.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().violations)
    }

    /// Someone outside phx does something to an object. Says whether there was such an object.
    pub fn outside(&self, type_name: &str, id: &str, what: &Outside) -> bool {
        let mut inner = self.lock();
        let Some(key) = inner.objects.keys().find(|k| k.0 == type_name && k.1 == id).cloned() else { return false };
        match what {
            Outside::Delete => inner.delete_all(key),
            Outside::Set(field, value) => {
                let conduct = conduct_of(key.0);
                let value = (conduct.stored)(field, plain(value));
                if let Some(object) = inner.objects.get_mut(&key) {
                    object.foreign.insert((*field).to_owned());
                    set(&mut object.fields, field, value);
                }
            }
            Outside::Tag(tag, value) => {
                if let Some(object) = inner.objects.get_mut(&key) {
                    object.foreign.insert("tags".to_owned());
                    let tags = object.fields.get_or_insert_with("tags", || Value::Map(ValueMap::new()));
                    if let Value::Map(tags) = tags {
                        tags.insert(tag.clone(), Value::String(value.as_str().into()));
                    }
                }
            }
        }
        true
    }

    /// Someone outside phx makes an object.
    pub fn make(&self, schema: &'static Schema, fields: &ValueMap) -> String {
        let mut inner = self.lock();
        let id = inner.new_object(conduct_of(schema.type_name), fields, None, Duration::ZERO, String::new());
        if let Some(object) = inner.objects.get_mut(&(schema.type_name, id.clone())) {
            object.fields.extend(plain_map(fields));
            object.ready = true;
        }
        id
    }

    /// One call: latency, fate, effect, latency, boundaries. `apply` is its effect and its answer.
    pub(crate) async fn call<T>(
        &self,
        verb: Verb,
        provider: &ProviderKey,
        type_name: &'static str,
        id: &str,
        fields: &ValueMap,
        apply: impl FnOnce(&mut World<'_>) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        let operation = operation(verb, type_name);
        let place = self.place_of(provider)?;
        let (before, after, fault) = {
            let mut inner = self.lock();
            inner.counts.count(verb);
            let (before, after) = (inner.delay(), inner.delay());
            let fault = match verb {
                Verb::Read => None,
                _ => {
                    let n = inner.calls;
                    inner.calls += 1;
                    (inner.fate)(&Call { verb, type_name, id, fields, n })
                }
            };
            if fields.values().any(Value::has_unknown) {
                inner.violations.push(format!("{operation} {id} got a value that is not known: {fields:?}"));
            }
            (before, after, fault)
        };
        tokio::time::sleep(before).await;
        self.boundary(verb, || format!("before {operation} {id}")).await;
        let answer = match fault {
            Some(fault) if !fault.takes_effect() => None,
            _ => Some(apply(&mut World {
                inner: &mut self.lock(),
                durable: &self.durable,
                operation: &operation,
                place: &place,
            })),
        };
        self.boundary(verb, || format!("after {operation} {id}")).await;
        tokio::time::sleep(after).await;
        match (fault, answer) {
            (None, Some(answer)) => answer,
            // An answer that says no is an answer, and there is nothing to lose in it.
            (Some(Fault::AnswerLost), Some(Err(refusal))) => Err(refusal),
            (fault, _) => match fault.and_then(|f| f.error(&operation)) {
                Some(error) => Err(error),
                None => std::future::pending().await,
            },
        }
    }

    async fn boundary(&self, verb: Verb, what: impl FnOnce() -> String) {
        // Killing a run before and after each of its reads shows nothing that killing it at the calls around them does not.
        if verb != Verb::Read {
            self.life.boundary(what).await;
        }
    }

    /// What becomes of a read: the whole of it fails, or its first object's.
    pub(crate) fn read_fault(&self, type_name: &'static str, objects: usize) -> Option<ReadFault> {
        let mut inner = self.lock();
        inner.counts.objects_read += u64::try_from(objects).unwrap_or(u64::MAX);
        let n = inner.reads;
        inner.reads += 1;
        (inner.read_fate)(type_name, n)
    }

    /// How long until the object can be seen, if it is there.
    pub(crate) fn unseen_for(&self, type_name: &'static str, id: &str) -> Option<Duration> {
        let inner = self.lock();
        let object = inner.objects.get(&(type_name, id.to_owned()))?;
        Some(object.visible_from.saturating_sub(inner.now()))
    }

    pub(crate) fn violation(&self, text: String) {
        self.lock().violations.push(text);
    }
}

#[async_trait::async_trait]
impl Places for Cloud {
    fn define(&self, providers: &BTreeMap<ProviderKey, Provider>) {
        self.lock().providers.clone_from(providers);
    }

    async fn open(&self, places: &BTreeSet<ProviderKey>) -> Result<(), CloudError> {
        places.iter().try_for_each(|key| self.place_of(key).map(drop))
    }
}

/// The cloud as a call sees it that is being carried out.
pub(crate) struct World<'a> {
    inner: &'a mut Inner,
    durable: &'a Durable,
    operation: &'a str,
    place: &'a str,
}

impl World<'_> {
    fn fail<T>(&self, kind: ErrorKind, code: &str, message: impl Into<String>) -> Result<T, CloudError> {
        Err(error(kind, self.operation, Some(code), message))
    }

    fn violation(&mut self, text: String) {
        self.inner.violations.push(format!("{}: {text}", self.operation));
    }

    /// An object that can be seen.
    pub(crate) fn visible(&self, type_name: &'static str, id: &str) -> Option<&Object> {
        let now = self.inner.now();
        self.inner.objects.get(&(type_name, id.to_owned())).filter(|o| o.visible_from <= now && o.place == self.place)
    }

    pub(crate) fn create(
        &mut self,
        conduct: &'static Conduct,
        want: &ValueMap,
        intent: &IntentId,
    ) -> Result<Object, CloudError> {
        if !self.durable.open(|i| i.id == *intent && matches!(i.change, Change::Create { .. })) {
            self.violation(format!("the intent {intent} is not durable"));
        }
        let type_name = conduct.schema.type_name;
        let want = plain_map(want);
        if conduct.schema.identity == phx_model::schema::Identity::ClientToken {
            let earlier =
                self.inner.objects.values().find(|o| o.type_name == type_name && o.intent.as_ref() == Some(intent));
            if let Some(object) = earlier {
                if object.request != want {
                    let object = object.id.clone();
                    self.violation(format!("the token {intent} of {object} was sent again with another request"));
                    return self.fail(ErrorKind::Invalid, "TokenMismatch", "the token was used for another request");
                }
                return Ok(object.clone());
            }
        } else if self.inner.objects.values().any(|o| o.intent.as_ref() == Some(intent)) {
            self.violation(format!("the intent {intent} was carried out twice"));
        }
        self.check_references(conduct, &want)?;
        self.check_unique(conduct, &want, None)?;
        let lag = if conduct.lags { self.inner.lag } else { Duration::ZERO };
        let id = self.inner.new_object(conduct, &want, Some(intent.clone()), lag, self.place.to_owned());
        self.inner.log.push(format!("create {id}"));
        Ok(self.inner.objects[&(type_name, id)].clone())
    }

    pub(crate) fn find(
        &mut self,
        conduct: &'static Conduct,
        want: &ValueMap,
        intent: &IntentId,
    ) -> Result<Option<Object>, CloudError> {
        let type_name = conduct.schema.type_name;
        if let Some(key) = (conduct.key)(&plain_map(want)) {
            let Some(object) = self.visible(type_name, &key).cloned() else { return Ok(None) };
            // What has tags has room for the intent; what has none is told from others' by what it is.
            let ours = match conduct.schema.tagged() {
                true => object.intent.as_ref() == Some(intent),
                false => plain_map(want).iter().all(|(name, value)| object.fields.get(name) == Some(value)),
            };
            if !ours {
                return self.fail(ErrorKind::AlreadyExists, "NotYours", format!("{key} is someone else's"));
            }
            return Ok(Some(object));
        }
        let now = self.inner.now();
        let mut found =
            self.inner.objects.values().filter(|o| o.type_name == type_name && o.intent.as_ref() == Some(intent));
        Ok(found.find(|o| o.visible_from <= now && o.place == self.place).cloned())
    }

    pub(crate) fn finish(
        &mut self,
        conduct: &'static Conduct,
        id: &str,
        want: &ValueMap,
    ) -> Result<Object, CloudError> {
        let key = (conduct.schema.type_name, id.to_owned());
        let want = plain_map(want);
        let Some(object) = self.inner.objects.get_mut(&key).filter(|o| o.place == self.place) else {
            return self.fail(ErrorKind::NotFound, "NotFound", format!("{id} is not there"));
        };
        for (field, value) in &want {
            if conduct.bare(field) {
                object.foreign.remove(field.as_str());
                set(&mut object.fields, field, (conduct.stored)(field, value.clone()));
            }
        }
        object.ready = true;
        let object = object.clone();
        self.inner.log.push(format!("finish {id}"));
        Ok(object)
    }

    pub(crate) fn update(
        &mut self,
        conduct: &'static Conduct,
        id: &str,
        change: &BTreeMap<String, phx_model::driver::Delta>,
    ) -> Result<Object, CloudError> {
        let type_name = conduct.schema.type_name;
        let fields: BTreeSet<String> = change.keys().cloned().collect();
        if !self.durable.intends_update(id, &fields) {
            self.violation(format!("no durable intent to update {fields:?} of {id}"));
        }
        for (name, delta) in change {
            if conduct.schema.field(name).is_none_or(|f| f.replace) {
                self.violation(format!("{name} of {id} cannot be updated"));
                return self.fail(ErrorKind::Invalid, "CannotUpdate", format!("{name} cannot be updated"));
            }
            if delta.after.has_unknown() {
                self.violation(format!("{name} of {id} is to become something that is not known"));
            }
        }
        let Some(object) = self.inner.objects.get(&(type_name, id.to_owned())).filter(|o| o.place == self.place) else {
            return self.fail(ErrorKind::NotFound, "NotFound", format!("{id} is not there"));
        };
        let mut object = object.clone();
        for (name, delta) in change {
            object.foreign.remove(name);
            match (plain(&delta.before), plain(&delta.after), name.as_str()) {
                (before, after, "tags") => patch_tags(&mut object.fields, &before, &after),
                (_, after, _) => set(&mut object.fields, name, (conduct.stored)(name, after)),
            }
        }
        self.check_references(conduct, &object.fields)?;
        self.inner.objects.insert((type_name, id.to_owned()), object.clone());
        self.inner.log.push(format!("update {id}"));
        Ok(object)
    }

    pub(crate) fn delete(&mut self, conduct: &'static Conduct, id: &str) -> Result<(), CloudError> {
        let key = (conduct.schema.type_name, id.to_owned());
        if !self.durable.open(|i| matches!(&i.change, Change::Delete { id: intended } if intended == id)) {
            self.violation(format!("no durable intent to delete {id}"));
        }
        let Some(object) = self.inner.objects.get(&key).filter(|o| o.place == self.place) else { return Ok(()) };
        if object.intent.is_none() && !self.durable.knows(id) {
            self.violation(format!("{id} is not phx's to delete"));
        }
        let parts = self.inner.parts(id);
        let held = std::iter::once(&key).chain(&parts).flat_map(|key| self.inner.referrers(key, true));
        if let Some(holder) = held.into_iter().find(|holder| !parts.contains(holder)) {
            let message = format!("{id} is still used by {}", holder.1);
            return self.fail(ErrorKind::InUse, "DependencyViolation", message);
        }
        self.inner.objects.remove(&key);
        self.inner.detach(id);
        self.inner.log.push(format!("delete {id}"));
        for part in parts {
            self.inner.objects.remove(&part);
            self.inner.detach(&part.1);
            self.inner.log.push(format!("delete {} with {id}", part.1));
        }
        Ok(())
    }

    /// Everything that the fields refer to is there and can be used.
    fn check_references(&mut self, conduct: &'static Conduct, fields: &ValueMap) -> Result<(), CloudError> {
        for (field, id) in references(conduct.schema, fields) {
            let target = self.inner.objects.values().find(|o| o.id == id);
            match target.map(|o| o.ready) {
                Some(true) => {}
                Some(false) => self.violation(format!("{field} refers to {id}, which is not ready")),
                None => return self.fail(ErrorKind::NotFound, "NoSuchObject", format!("{field}: {id} is not there")),
            }
        }
        Ok(())
    }

    fn check_unique(&self, conduct: &'static Conduct, fields: &ValueMap, not: Option<&str>) -> Result<(), CloudError> {
        let unique = conduct.schema.unique;
        if unique.is_empty() {
            return Ok(());
        }
        let clash = self.inner.objects.values().find(|o| {
            o.type_name == conduct.schema.type_name
                && Some(o.id.as_str()) != not
                && unique.iter().all(|u| o.fields.get(*u) == fields.get(*u))
        });
        match clash {
            Some(object) => {
                self.fail(ErrorKind::AlreadyExists, "AlreadyExists", format!("{} has the same {unique:?}", object.id))
            }
            None => Ok(()),
        }
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.clock.0 + self.clock.1.map(|i| i.elapsed()).unwrap_or_default()
    }

    fn delay(&mut self) -> Duration {
        let (from, to) = self.latency;
        let span = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(0);
        from / 2 + Duration::from_micros(self.rng.below(span.max(1))) / 2
    }

    fn new_object(
        &mut self,
        conduct: &'static Conduct,
        want: &ValueMap,
        intent: Option<IntentId>,
        lag: Duration,
        place: String,
    ) -> String {
        self.next += 1;
        let id = (conduct.key)(want).unwrap_or_else(|| format!("{}-{:06}", conduct.prefix, self.next));
        let mut fields = ValueMap::new();
        for (name, value) in (conduct.defaults)() {
            fields.insert(name.to_owned(), value);
        }
        for (name, value) in want {
            if !conduct.bare(name) {
                set(&mut fields, name, (conduct.stored)(name, value.clone()));
            }
        }
        let lag = if lag.is_zero() {
            lag
        } else {
            lag.mul_f64(f64::from(u32::try_from(self.rng.below(1000)).unwrap_or(0)) / 1000.0)
        };
        let object = Object {
            type_name: conduct.schema.type_name,
            id: id.clone(),
            place,
            fields,
            intent,
            ready: !conduct.finishes,
            visible_from: self.now() + lag,
            foreign: BTreeSet::new(),
            request: want.clone(),
        };
        self.objects.insert((conduct.schema.type_name, id.clone()), object);
        id
    }

    /// The objects that refer to this one; only those that keep it from being deleted, or all.
    /// The objects that are parts of one.
    fn parts(&self, whole: &str) -> Vec<(&'static str, String)> {
        let is_part = |object: &&Object| {
            let field = conduct_of(object.type_name).schema.vanishes_with;
            field.is_some_and(|field| object.fields.get(field).and_then(Value::as_str) == Some(whole))
        };
        self.objects.values().filter(is_part).map(|object| (object.type_name, object.id.clone())).collect()
    }

    fn referrers(&self, key: &(&'static str, String), strong_only: bool) -> Vec<(&'static str, String)> {
        self.objects
            .iter()
            .filter(|(_, o)| {
                let weak = conduct_of(o.type_name).weak;
                references(conduct_of(o.type_name).schema, &o.fields)
                    .iter()
                    .any(|(field, id)| *id == key.1 && !(strong_only && weak.contains(field)))
            })
            .map(|(k, _)| k.clone())
            .collect()
    }

    /// The object was deleted: what weakly refers to it does so no more.
    fn detach(&mut self, id: &str) {
        for object in self.objects.values_mut() {
            for field in conduct_of(object.type_name).weak {
                if object.fields.get(*field).and_then(Value::as_str) == Some(id) {
                    object.fields.remove(*field);
                }
            }
        }
    }

    fn delete_all(&mut self, key: (&'static str, String)) {
        for referrer in self.referrers(&key, true) {
            self.delete_all(referrer);
        }
        self.objects.remove(&key);
        self.detach(&key.1);
    }
}

/// The ids that fields hold, by the kinds that the schema gives them.
fn references<'a>(schema: &'static Schema, fields: &'a ValueMap) -> Vec<(&'static str, &'a str)> {
    let mut found = Vec::new();
    for field in schema.fields {
        match (field.kind, fields.get(field.name)) {
            (Kind::Id(_), Some(Value::String(id))) => found.push((field.name, id.as_str())),
            (Kind::List(Kind::Id(_)), Some(Value::List(ids))) => {
                found.extend(ids.iter().filter_map(Value::as_str).map(|id| (field.name, id)));
            }
            _ => {}
        }
    }
    found
}

fn set(fields: &mut ValueMap, name: &str, value: Value) {
    if value.is_empty() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
}

/// Tags are set and taken away one by one, as in most clouds.
fn patch_tags(fields: &mut ValueMap, before: &Value, after: &Value) {
    let empty = ValueMap::new();
    let map = |v: &Value| if let Value::Map(m) = v { m.clone() } else { empty.clone() };
    let (before, after) = (map(before), map(after));
    let mut tags = map(fields.get("tags").unwrap_or(&Value::Null));
    tags.retain(|tag, _| after.contains_key(tag) || !before.contains_key(tag));
    tags.extend(after);
    set(fields, "tags", Value::Map(tags));
}

/// A value without its secret marks.
pub(crate) fn plain(value: &Value) -> Value {
    match value.expose() {
        Value::List(items) => Value::List(items.iter().map(plain).collect()),
        Value::Map(fields) => Value::Map(fields.iter().map(|(k, v)| (k.clone(), plain(v))).collect()),
        other => other.clone(),
    }
}

/// Fields without their secret marks; what is not set is left out.
pub(crate) fn plain_map(fields: &ValueMap) -> ValueMap {
    fields.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.clone(), plain(v))).collect()
}

fn operation(verb: Verb, type_name: &str) -> String {
    let word = match verb {
        Verb::Read => "Describe",
        Verb::Find => "Find",
        Verb::Create => "Create",
        Verb::Finish => "Finish",
        Verb::Update => "Modify",
        Verb::Delete => "Delete",
    };
    format!("{word}{}", type_name.rsplit(':').next().unwrap_or(type_name))
}
