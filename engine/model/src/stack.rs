//! A program being written down. Nothing here calls a cloud: the whole graph is declared first and worked on afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::check::{self, Check, DeclaredCheck};
use crate::config::{ConfigError, ConfigSource};
use crate::expr::Expr;
use crate::lookup::{self, Answerer, Lookup, LookupError, Lookups, Request};
use crate::provider::{Home, Provider, ProviderRef};
use crate::schema::Schema;
use crate::state::ProviderKey;
use crate::typed::{AnyInput, Input, OutputSet, Resource};
use crate::urn::{NameError, ProjectName, StackName, Urn};

/// A mistake in a program, found while it is written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// A name that cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Two resources of one type have one name.
    #[error("{0} is declared twice\n  hint: give one of them another name, or put it in a component of its own")]
    Duplicate(Urn),
    /// Two exports have one name.
    #[error("the export {0:?} is declared twice")]
    DuplicateExport(String),
    /// Two checks have one name.
    #[error(
        "the check {0:?} is declared twice\n  hint: give one of them another name, or put it in a component of its own"
    )]
    DuplicateCheck(String),
    /// A check that cannot be meant so.
    #[error("the check {name:?}: {why}")]
    Check {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// An option names a field that the type does not have.
    #[error("{urn}: {option} names {field:?}, which is not a field of {type_name}\n  hint: its fields are {known}")]
    UnknownField {
        /// The resource.
        urn: Urn,
        /// The option: `ignore_changes`.
        option: &'static str,
        /// What it names.
        field: String,
        /// The type.
        type_name: &'static str,
        /// The fields there are.
        known: String,
    },
    /// Two provider contexts have one name.
    #[error(
        "the provider context {0:?} is declared twice\n  hint: give one of them another name, or use the first one again"
    )]
    DuplicateProvider(String),
    /// A provider context that cannot be.
    #[error("the provider context {name:?}: {why}")]
    Provider {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// An option names a provider context that the program does not declare.
    #[error(
        "{urn}: its provider context {key:?} is not one of this program's\n  hint: declare it with `stack.provider(…)`"
    )]
    UnknownProvider {
        /// The resource.
        urn: Urn,
        /// What its options name.
        key: String,
    },
    /// An ordering names a resource that is not declared.
    #[error("{0} is not declared in this program")]
    Undeclared(Urn),
}

/// What a resource is declared to be.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its name.
    pub urn: Urn,
    /// Its type.
    pub schema: &'static Schema,
    /// Its fields.
    pub inputs: BTreeMap<String, Expr>,
    /// How phx is to treat it.
    pub options: Options,
}

/// A program, written down: what the engine works on.
#[derive(Clone, Debug)]
pub struct Program {
    /// The project.
    pub project: ProjectName,
    /// The stack.
    pub stack: StackName,
    /// The resources, in the order of their declaration.
    pub resources: Vec<Declared>,
    /// What the stack shows to others, by name.
    pub exports: BTreeMap<String, Expr>,
    /// What has to be true once everything is done, in the order of declaration.
    pub checks: Vec<DeclaredCheck>,
    /// What the keys mean that resources name as their place.
    pub providers: BTreeMap<ProviderKey, Provider>,
    /// The stack's own place.
    pub home: Home,
}

impl Program {
    /// A program that declares nothing.
    pub fn empty(project: ProjectName, stack: StackName) -> Self {
        Self {
            project,
            stack,
            resources: Vec::new(),
            exports: BTreeMap::new(),
            checks: Vec::new(),
            providers: BTreeMap::new(),
            home: Home::default(),
        }
    }
}

/// How phx is to treat a resource: everything about it that is not the cloud's business.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Beside what its inputs refer to.
    pub depends_on: Vec<Urn>,
    /// Refuse to delete or replace it.
    pub protect: bool,
    /// Leave the object in the cloud when it leaves the program.
    pub retain: bool,
    /// Fields (or, with a dot, tags: `tags.Owner`) whose differences are left alone once the object exists.
    pub ignore_changes: Vec<String>,
    /// Values whose change replaces it.
    pub replace_on: Vec<Expr>,
    /// The order of a replacement, if the type's own is not wanted.
    pub delete_before_replace: Option<bool>,
    /// Earlier names of it (in this stack, with component path), or whole URNs.
    pub aliases: Vec<String>,
    /// How long its verbs may take.
    pub timeouts: Timeouts,
    /// The id of an existing object to adopt instead of creating one.
    pub import: Option<String>,
    /// Where it lives, if not where the stack does (or where the [scope](Scope::with_provider) says).
    pub provider: ProviderKey,
}

/// How long a verb may take before it counts as failed. `None`: the engine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Creating, with everything until the object can be used.
    pub create: Option<Duration>,
    /// Updating.
    pub update: Option<Duration>,
    /// Deleting, until it is gone.
    pub delete: Option<Duration>,
}

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Created after the other resource and deleted before it, though no input refers to it.
    #[must_use]
    pub fn depends_on(mut self, other: impl AsRef<Urn>) -> Self {
        self.depends_on.push(other.as_ref().clone());
        self
    }

    /// Refuse to delete or replace it.
    #[must_use]
    pub fn protect(mut self, yes: bool) -> Self {
        self.protect = yes;
        self
    }

    /// Leave the object in the cloud when it leaves the program.
    #[must_use]
    pub fn retain(mut self, yes: bool) -> Self {
        self.retain = yes;
        self
    }

    /// Leave differences of these fields alone once the object exists. `tags.Owner` names one tag.
    #[must_use]
    pub fn ignore_changes<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.ignore_changes.extend(fields.into_iter().map(Into::into));
        self
    }

    /// Replace it when the value changes.
    #[must_use]
    pub fn replace_on(mut self, value: impl Into<AnyInput>) -> Self {
        self.replace_on.push(value.into().0);
        self
    }

    /// In a replacement, delete the old object before the new one is created (or, with `false`, after).
    #[must_use]
    pub fn delete_before_replace(mut self, yes: bool) -> Self {
        self.delete_before_replace = Some(yes);
        self
    }

    /// An earlier name of it, so that renaming it in the program renames it in the state. A name in this stack or a whole URN.
    #[must_use]
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.aliases.push(name.into());
        self
    }

    /// How long creating it may take.
    #[must_use]
    pub fn create_timeout(mut self, time: Duration) -> Self {
        self.timeouts.create = Some(time);
        self
    }

    /// How long updating it may take.
    #[must_use]
    pub fn update_timeout(mut self, time: Duration) -> Self {
        self.timeouts.update = Some(time);
        self
    }

    /// How long deleting it may take.
    #[must_use]
    pub fn delete_timeout(mut self, time: Duration) -> Self {
        self.timeouts.delete = Some(time);
        self
    }

    /// It lies in another account or region than the stack: see [`Scope::provider`].
    #[must_use]
    pub fn provider(mut self, provider: &ProviderRef) -> Self {
        self.provider = provider.key.clone();
        self
    }

    /// Adopt the existing object of this id instead of creating one.
    #[must_use]
    pub fn import(mut self, id: impl Into<String>) -> Self {
        self.import = Some(id.into());
        self
    }
}

/// A declared resource: gives typed references to its outputs (`vpc.id()`).
pub struct Handle<R: Resource> {
    urn: Urn,
    outputs: <R::Outputs as OutputSet>::Handles,
}

impl<R: Resource> Handle<R> {
    /// Its name.
    pub fn urn(&self) -> &Urn {
        &self.urn
    }
}

impl<R: Resource> Deref for Handle<R> {
    type Target = <R::Outputs as OutputSet>::Handles;

    fn deref(&self) -> &Self::Target {
        &self.outputs
    }
}

impl<R: Resource> AsRef<Urn> for Handle<R> {
    fn as_ref(&self) -> &Urn {
        &self.urn
    }
}

impl AsRef<Urn> for Urn {
    fn as_ref(&self) -> &Urn {
        self
    }
}

impl<R: Resource> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self { urn: self.urn.clone(), outputs: self.outputs.clone() }
    }
}

impl<R: Resource> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.urn.fmt(f)
    }
}

struct Shared {
    program: Program,
    index: BTreeMap<Urn, usize>,
    default_tags: BTreeMap<String, String>,
    /// The provider contexts by their names in the program.
    provider_names: BTreeMap<String, ProviderKey>,
    lookups: Option<Arc<dyn Answerer>>,
}

/// A place to declare resources in: the stack itself, or a component of it, whose name goes before those of its resources.
#[derive(Clone)]
pub struct Scope {
    shared: Arc<Mutex<Shared>>,
    path: String,
    /// Where its resources lie that name no place of their own.
    provider: ProviderKey,
}

impl Scope {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic in the middle of a declaration has left at most one of them out; the panic itself ends the program.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stack's name.
    pub fn stack_name(&self) -> StackName {
        self.lock().program.stack.clone()
    }

    /// The project's name.
    pub fn project_name(&self) -> ProjectName {
        self.lock().program.project.clone()
    }

    /// A component: a scope of its own whose resources are named `<name>/…`.
    pub fn component(&self, name: &str) -> Result<Self, ProgramError> {
        let path = format!("{}{name}", self.path);
        // Checked as a resource's name would be, so that the mistake is named where it is made.
        let shared = self.lock();
        Urn::new(&shared.program.project, &shared.program.stack, "phx:core:Component", &path)?;
        drop(shared);
        Ok(Self { shared: self.shared.clone(), path: format!("{path}/"), provider: self.provider.clone() })
    }

    /// Declares a provider context: another region, or another account by a role that is assumed there. Its name is the program's own; a resource
    /// goes on being the same one if the name, or the role, becomes another, and is replaced if account or region does.
    pub fn provider(&self, name: &str, provider: Provider) -> Result<ProviderRef, ProgramError> {
        let wrong = |why: String| ProgramError::Provider { name: name.to_owned(), why };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            return Err(wrong("its name must have letters, digits, '-', '_' and '.' only".to_owned()));
        }
        if let Some(mistake) = provider.mistake() {
            return Err(wrong(mistake));
        }
        let mut shared = self.lock();
        if shared.provider_names.contains_key(name) {
            return Err(ProgramError::DuplicateProvider(name.to_owned()));
        }
        let key = provider.key(name, &shared.program.home);
        shared.provider_names.insert(name.to_owned(), key.clone());
        if !key.is_home() {
            shared.program.providers.insert(key.clone(), provider);
        }
        Ok(ProviderRef { key })
    }

    /// The same scope, whose resources lie where the provider context says unless their options say otherwise. So do those of its components.
    #[must_use]
    pub fn with_provider(&self, provider: &ProviderRef) -> Self {
        Self { provider: provider.key.clone(), ..self.clone() }
    }

    /// The same scope, whose resources lie in the stack's own account and region.
    #[must_use]
    pub fn at_home(&self) -> Self {
        Self { provider: ProviderKey::default(), ..self.clone() }
    }

    /// Asks the cloud for something while the program is written down: `stack.lookup(CallerIdentity::new())?`. Where the scope has a provider
    /// context, it is asked there. What was asked for before in this run is not asked for again.
    pub fn lookup<L: Lookup>(&self, lookup: L) -> Result<L::Answer, LookupError> {
        let request = lookup::request(&lookup, &self.provider)?;
        let value = self.ask(vec![request.clone()])?.pop().unwrap_or_default();
        lookup::read::<L>(&request, &value)
    }

    /// Asks for several things at once, which is faster than one after the other: a tuple, an array or a `Vec` of lookups, answered in kind.
    pub fn lookup_all<L: Lookups>(&self, lookups: L) -> Result<L::Answers, LookupError> {
        let requests = lookups.requests(&self.provider)?;
        let values = self.ask(requests.clone())?;
        L::read(&requests, &values)
    }

    /// The answers in the order of the requests; the first that failed is the error.
    fn ask(&self, requests: Vec<Request>) -> Result<Vec<crate::Value>, LookupError> {
        let (lookups, providers) = {
            let shared = self.lock();
            (shared.lookups.clone(), shared.program.providers.clone())
        };
        lookup::ask(lookups.as_deref(), &requests, &providers)
    }

    /// Declares a resource.
    pub fn add<R: Resource>(&self, name: &str, resource: R) -> Result<Handle<R>, ProgramError> {
        self.add_with(name, resource, Options::default())
    }

    /// Declares a resource with options.
    pub fn add_with<R: Resource>(&self, name: &str, resource: R, options: Options) -> Result<Handle<R>, ProgramError> {
        let urn = self.declare(name, R::schema(), resource.into_inputs(), options)?;
        Ok(Handle { outputs: R::Outputs::handles(&urn), urn })
    }

    /// Declares a resource of a type that is known only when the program runs.
    pub fn declare(
        &self,
        name: &str,
        schema: &'static Schema,
        mut inputs: BTreeMap<String, Expr>,
        mut options: Options,
    ) -> Result<Urn, ProgramError> {
        let mut shared = self.lock();
        let name = format!("{}{name}", self.path);
        let urn = Urn::new(&shared.program.project, &shared.program.stack, schema.type_name, &name)?;
        if shared.index.contains_key(&urn) {
            return Err(ProgramError::Duplicate(urn));
        }
        if options.provider.is_home() {
            options.provider = self.provider.clone();
        }
        if options.provider.place().name.is_some() && !shared.program.providers.contains_key(&options.provider) {
            return Err(ProgramError::UnknownProvider { urn, key: options.provider.0 });
        }
        for field in &options.ignore_changes {
            let name = field.split('.').next().unwrap_or(field);
            if schema.field(name).is_none() {
                let known = schema.fields.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
                return Err(ProgramError::UnknownField {
                    urn,
                    option: "ignore_changes",
                    field: field.clone(),
                    type_name: schema.type_name,
                    known,
                });
            }
        }
        if schema.tagged() && !shared.default_tags.is_empty() {
            with_default_tags(&mut inputs, &shared.default_tags);
        }
        let at = shared.program.resources.len();
        shared.index.insert(urn.clone(), at);
        shared.program.resources.push(Declared { urn: urn.clone(), schema, inputs, options });
        Ok(urn)
    }

    /// A secret that was configured for the stack with `phx secret set NAME`, as the value of a field. It is not read here: the value is taken
    /// from the state when the program is planned, and a secret that was not set is an error then.
    pub fn secret(&self, name: &str) -> Result<Input<String>, ProgramError> {
        crate::key::check_secret_name(name)?;
        Ok(Input::from_expr(Expr::Configured(name.to_owned())))
    }

    /// Declares something that has to be true once `up` has done its work. A check has a name of its own kind, so it may be a resource's name too.
    pub fn verify(&self, name: &str, check: impl Into<Check>) -> Result<(), ProgramError> {
        let mut shared = self.lock();
        let name = format!("{}{name}", self.path);
        // Checked as a resource's name would be.
        Urn::new(&shared.program.project, &shared.program.stack, "phx:core:Check", &name)?;
        if shared.program.checks.iter().any(|c| c.name == name) {
            return Err(ProgramError::DuplicateCheck(name));
        }
        let schema = |urn: &Urn| shared.index.get(urn).map(|&at| shared.program.resources[at].schema);
        let check: Check = check.into();
        let check = check::declared(name, check.at(&self.provider), schema)?;
        shared.program.checks.push(check);
        Ok(())
    }

    /// Orders two declared resources that do not refer to each other: `later` is created after `earlier` and deleted before it.
    pub fn order(&self, earlier: impl AsRef<Urn>, later: impl AsRef<Urn>) -> Result<(), ProgramError> {
        let mut shared = self.lock();
        let (earlier, later) = (earlier.as_ref(), later.as_ref());
        if !shared.index.contains_key(earlier) {
            return Err(ProgramError::Undeclared(earlier.clone()));
        }
        let at = *shared.index.get(later).ok_or_else(|| ProgramError::Undeclared(later.clone()))?;
        shared.program.resources[at].options.depends_on.push(earlier.clone());
        Ok(())
    }
}

/// Tags that the resource sets itself go before the stack's.
fn with_default_tags(inputs: &mut BTreeMap<String, Expr>, defaults: &BTreeMap<String, String>) {
    let tags = inputs.entry("tags".to_owned()).or_insert_with(|| Expr::Map(BTreeMap::new()));
    // Tags are declared as a map of expressions; anything else would be an expression for all of them at once, left as it is.
    if let Expr::Map(tags) = tags {
        for (key, value) in defaults {
            let value = crate::Value::String(value.into());
            tags.entry(key.clone()).or_insert(Expr::Literal(value));
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The stack that a program is writing down. It is also the outermost [`Scope`].
#[derive(Debug)]
pub struct Stack {
    root: Scope,
    config: ConfigSource,
}

impl Stack {
    /// A stack with nothing in it.
    pub fn new(
        project: ProjectName,
        name: StackName,
        config: ConfigSource,
        default_tags: BTreeMap<String, String>,
    ) -> Self {
        let shared = Shared {
            program: Program::empty(project, name),
            index: BTreeMap::new(),
            default_tags,
            provider_names: BTreeMap::new(),
            lookups: None,
        };
        let shared = Arc::new(Mutex::new(shared));
        Self { root: Scope { shared, path: String::new(), provider: ProviderKey::default() }, config }
    }

    /// Says where the stack itself lies, as far as that is known before anything is called.
    #[must_use]
    pub fn with_home(self, home: Home) -> Self {
        self.lock().program.home = home;
        self
    }

    /// Gives the program a way to the cloud for its [lookups](Scope::lookup). Without one, they are errors.
    #[must_use]
    pub fn with_lookups(self, lookups: Arc<dyn Answerer>) -> Self {
        self.lock().lookups = Some(lookups);
        self
    }

    /// The stack's configuration, typed. A mistake in it names the file, the line and the key.
    pub fn config<C: serde::de::DeserializeOwned>(&self) -> Result<C, ConfigError> {
        self.config.read()
    }

    /// Shows a value to people and to other stacks under a name.
    pub fn export(&self, name: &str, value: impl Into<AnyInput>) -> Result<(), ProgramError> {
        let mut shared = self.lock();
        if shared.program.exports.contains_key(name) {
            return Err(ProgramError::DuplicateExport(name.to_owned()));
        }
        shared.program.exports.insert(name.to_owned(), value.into().0);
        Ok(())
    }

    /// The program as it has been written down.
    pub fn finish(self) -> Program {
        self.root.lock().program.clone()
    }
}

impl Deref for Stack {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.root
    }
}
