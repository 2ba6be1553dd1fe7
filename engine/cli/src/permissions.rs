//! The IAM policy with which a plan can be carried out, and nothing else.
//!
//! [`for_plan`] says which actions that takes, from [`phx_aws::permissions`]' tables of the types, and [`for_orphans`] what it takes to look for
//! objects that no state knows; [`policies`](phx_aws::permissions::policies) makes documents of them. All are pure: whoever has a program, a state
//! and a plan needs no access to AWS.

use std::collections::{BTreeMap, BTreeSet};

use phx_aws::permissions::{Grant, Place, Use, Verb, arn, grants, grants_for_lookups};
use phx_engine::graph::{Graph, GraphError};
use phx_engine::{Op, Plan};
use phx_model::check::{Probe, Target};
use phx_model::expr::Env;
use phx_model::state::{Change, ProviderKey, Record, State};
use phx_model::{Program, Provider, Urn, Value, ValueMap};

/// What is to be done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// What the plan of an `up` says.
    Up,
    /// What the plan of a `destroy` says.
    Destroy,
    /// Everything is read, and nothing changed.
    Drift,
    /// The program's checks are made, and nothing else.
    Verify,
    /// Whatever the types of the program may ever need.
    All,
}

/// What looking for orphans asks of AWS beside reading the objects that it finds: the tagging API tells of most services' objects, IAM of its roles
/// and users.
const ORPHANS: [&str; 2] = ["tag:GetResources", "iam:GetAccountAuthorizationDetails"];
/// The same where the binary has the type: the tagging API tells nothing of these.
const ORPHAN_GROUPS: (&str, &str) = ("aws:autoscaling:Group", "autoscaling:DescribeAutoScalingGroups");

/// What a policy is made from.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// What is wanted; for a destroy it says nothing.
    pub program: Option<&'a Program>,
    /// What is recorded.
    pub state: Option<&'a State>,
    /// The plan of an `up` or a `destroy`.
    pub plan: Option<&'a Plan>,
    /// The operations that the program's lookups called while it was written down: `ec2:DescribeImages`.
    pub lookups: &'a BTreeSet<String>,
    /// The stack's own account and region, as far as they are known.
    pub home: &'a Place,
}

/// An object with what is done with it.
struct Used {
    type_name: String,
    place: Place,
    id: Option<String>,
    fields: ValueMap,
    verbs: Vec<Verb>,
    touched: Option<BTreeSet<String>>,
    everything: bool,
}

/// What an operation needs: actions, each with what it is about, sorted. An error: the program does not hang together.
pub fn for_plan(operation: Operation, basis: &Basis<'_>) -> Result<BTreeSet<Grant>, GraphError> {
    let known = Known::new(basis)?;
    let mut used = match operation {
        Operation::Up | Operation::Destroy => basis.plan.map(|plan| known.of_plan(plan)).unwrap_or_default(),
        Operation::Drift => known.everywhere(&[Verb::Read], false),
        Operation::Verify => Vec::new(),
        Operation::All => known.everywhere(&Verb::ALL, true),
    };
    if !matches!(operation, Operation::Drift | Operation::Verify) {
        used.extend(known.left_open());
    }
    // An `up` makes them in the end.
    if matches!(operation, Operation::Up | Operation::Verify | Operation::All) {
        used.extend(known.checked());
    }
    // Names are looked up in what is not used as well.
    used.extend(known.everywhere(&[], false));
    let uses: Vec<Use<'_>> = used.iter().map(Used::as_use).collect();
    let mut found = grants(&uses);
    found.extend(known.roles(&used));
    found.extend(grants_for_lookups(basis.home.account.as_deref(), basis.lookups.iter().map(String::as_str)));
    Ok(found)
}

/// What looking for the stack's orphans needs, beside what [`Operation::Drift`] does: finding what bears its mark, and reading whole what is found
/// of the stack's types, since deleted objects are told of for a while.
pub fn for_orphans(basis: &Basis<'_>) -> Result<BTreeSet<Grant>, GraphError> {
    let (known, home) = (Known::new(basis)?, ProviderKey::default());
    let mut kinds: BTreeSet<(&str, &ProviderKey)> = BTreeSet::new();
    let declared = basis.program.into_iter().flat_map(|program| &program.resources);
    kinds.extend(declared.map(|declared| (declared.schema.type_name, &declared.options.provider)));
    let mut places: BTreeSet<&ProviderKey> = BTreeSet::new();
    if let Some(state) = basis.state {
        kinds.extend(state.resources.iter().map(|(urn, record)| (urn.type_name(), &record.provider)));
        places.extend(state.places().into_iter().chain(state.providers.keys()));
    }
    places.extend(kinds.iter().map(|(_, key)| *key).chain([&home]));
    let used: Vec<Used> = kinds.iter().map(|(type_name, key)| known.whole(type_name, key)).collect();
    let uses: Vec<Use<'_>> = used.iter().map(Used::as_use).collect();
    let mut found = grants(&uses);
    found.extend(known.roles(&used));
    let (groups, action) = ORPHAN_GROUPS;
    let has_groups = phx_aws::schemas().iter().any(|schema| schema.type_name == groups);
    for place in places.into_iter().map(|key| known.place(key)) {
        for action in ORPHANS.into_iter().chain(has_groups.then_some(action)) {
            found.insert(Grant {
                account: place.account.clone(),
                type_name: "orphans".to_owned(),
                verb: Verb::Read,
                action: action.to_owned(),
                resources: BTreeSet::from(["*".to_owned()]),
                conditions: BTreeMap::new(),
            });
        }
    }
    Ok(found)
}

impl Used {
    fn as_use(&self) -> Use<'_> {
        Use {
            type_name: &self.type_name,
            place: &self.place,
            id: self.id.as_deref(),
            fields: &self.fields,
            verbs: &self.verbs,
            touched: self.touched.as_ref(),
            everything: self.everything,
        }
    }
}

/// What is known of the program's resources before anything is done: their fields, with the outputs that can be told.
struct Known<'a> {
    basis: &'a Basis<'a>,
    /// The program's resources, in their order.
    fields: BTreeMap<&'a Urn, (&'a ProviderKey, ValueMap)>,
    /// Objects that are there and stay.
    stay: BTreeMap<&'a Urn, &'a Record>,
}

impl<'a> Known<'a> {
    fn new(basis: &'a Basis<'a>) -> Result<Self, GraphError> {
        let mut stay = BTreeMap::new();
        for (urn, record) in basis.state.into_iter().flat_map(|state| &state.resources) {
            stay.insert(urn, record);
        }
        for step in basis.plan.into_iter().flat_map(|plan| &plan.steps) {
            match step.op {
                Op::Create | Op::Replace(_) | Op::Delete => drop(stay.remove(&step.urn)),
                Op::Same | Op::Update | Op::Adopt | Op::Forget | Op::DeleteDeposed => {}
            }
        }
        // A resource that goes by a new name has its object already.
        for (old, new) in basis.plan.into_iter().flat_map(|plan| &plan.renames) {
            if let Some(record) = stay.remove(old) {
                stay.entry(new).or_insert(record);
            }
        }
        let mut known = Self { basis, fields: BTreeMap::new(), stay };
        if let Some(program) = basis.program {
            for &at in Graph::new(program)?.order() {
                let declared = &program.resources[at];
                // What has no value is the planner's to tell of.
                let value = |e: &phx_model::expr::Expr| e.eval(&known).unwrap_or(Value::Unknown);
                let fields = declared.inputs.iter().map(|(name, e)| (name.clone(), value(e)));
                let fields = fields.filter(|(_, value)| *value != Value::Null).collect();
                known.fields.insert(&declared.urn, (&declared.options.provider, fields));
            }
        }
        Ok(known)
    }

    /// Where a key is.
    fn place(&self, key: &ProviderKey) -> Place {
        let (home, place) = (self.basis.home, key.place());
        let or = |given: Option<&str>, home: &Option<String>| given.map(str::to_owned).or_else(|| home.clone());
        Place::new(or(place.account, &home.account), or(place.region, &home.region))
    }

    fn used(&self, urn: &Urn, verbs: &[Verb]) -> Used {
        let record = self.stay.get(urn);
        let (key, fields) = match (self.fields.get(urn), record) {
            (Some((key, fields)), _) => (*key, fields.clone()),
            (None, Some(record)) => (&record.provider, record.inputs.clone()),
            (None, None) => return self.recorded(urn, None, verbs),
        };
        Used {
            type_name: urn.type_name().to_owned(),
            place: self.place(key),
            id: record.map(|record| record.id.clone()),
            fields,
            verbs: verbs.to_vec(),
            touched: None,
            everything: false,
        }
    }

    /// An object as it is recorded, whatever the program says.
    fn recorded(&self, urn: &Urn, record: Option<&Record>, verbs: &[Verb]) -> Used {
        let record = record.or_else(|| self.basis.state?.resources.get(urn));
        Used {
            type_name: urn.type_name().to_owned(),
            place: self.place(&record.map(|record| record.provider.clone()).unwrap_or_default()),
            id: record.map(|record| record.id.clone()),
            fields: record.map(|record| record.inputs.clone()).unwrap_or_default(),
            verbs: verbs.to_vec(),
            touched: None,
            everything: false,
        }
    }

    fn of_plan(&self, plan: &Plan) -> Vec<Used> {
        let old =
            |urn: &Urn| plan.renames.iter().find(|(_, new)| new == urn).map_or(urn.clone(), |(old, _)| old.clone());
        let mut used = Vec::new();
        for step in &plan.steps {
            let urn = &step.urn;
            let touched = || Some(step.diff.iter().map(|d| first_part(&d.path).to_owned()).collect());
            match step.op {
                Op::Same => used.push(self.used(urn, &[Verb::Read])),
                // What was there is looked for first.
                Op::Create => used.push(self.used(urn, &[Verb::Read, Verb::Create])),
                Op::Update => {
                    used.push(Used { touched: touched(), ..self.used(urn, &[Verb::Read, Verb::Update]) });
                    used.push(self.recorded(&old(urn), None, &[Verb::Read]));
                }
                Op::Replace(_) => {
                    used.push(self.used(urn, &[Verb::Read, Verb::Create]));
                    used.push(self.recorded(&old(urn), None, &[Verb::Read, Verb::Delete]));
                }
                // Of what is adopted, everything is read.
                Op::Adopt => {
                    used.push(Used { everything: true, id: step.id.clone(), ..self.used(urn, &[Verb::Read]) });
                    used.push(Used { touched: touched(), id: step.id.clone(), ..self.used(urn, &[Verb::Update]) });
                }
                Op::Delete => used.push(self.recorded(urn, None, &[Verb::Read, Verb::Delete])),
                Op::DeleteDeposed => {
                    let deposed = self.basis.state.into_iter().flat_map(|state| &state.deposed);
                    let record = deposed.filter(|d| d.urn == *urn).find(|d| Some(&d.record.id) == step.id.as_ref());
                    used.push(self.recorded(urn, record.map(|d| &d.record), &[Verb::Read, Verb::Delete]));
                }
                Op::Forget => used.push(self.recorded(urn, None, &[Verb::Read])),
            }
        }
        used
    }

    /// An object of which nothing is known but its type and its place, read whole.
    fn whole(&self, type_name: &str, key: &ProviderKey) -> Used {
        let schema = phx_aws::schemas().into_iter().find(|schema| schema.type_name == type_name);
        let fields = schema.into_iter().flat_map(|schema| schema.fields);
        Used {
            type_name: type_name.to_owned(),
            place: self.place(key),
            id: None,
            fields: fields.map(|field| (field.name, Value::Unknown)).collect(),
            verbs: vec![Verb::Read],
            touched: None,
            everything: true,
        }
    }

    /// The objects that the program's checks read: its own, and existing ones.
    fn checked(&self) -> Vec<Used> {
        let mut used = Vec::new();
        for declared in self.basis.program.into_iter().flat_map(|program| &program.checks) {
            let Probe::Object { target, .. } = &declared.check.probe else { continue };
            used.push(match target {
                Target::Resource(urn) => self.used(urn, &[Verb::Read]),
                Target::Existing { type_name, id, provider } => {
                    let id = id.eval(self).ok().filter(|id| !id.has_secret());
                    Used { id: id.and_then(|id| id.as_str().map(str::to_owned)), ..self.whole(type_name, provider) }
                }
            });
        }
        used
    }

    /// What an earlier run has left open is settled first: found again, finished, deleted.
    fn left_open(&self) -> Vec<Used> {
        let open = self.basis.state.into_iter().flat_map(|state| state.open.values());
        let used = open.map(|intent| match &intent.change {
            Change::Create { record } => self.recorded(&intent.urn, Some(record), &[Verb::Read, Verb::Create]),
            Change::Finish => self.recorded(&intent.urn, None, &[Verb::Read, Verb::Create]),
            Change::Update { record, fields } => Used {
                touched: Some(fields.clone()),
                ..self.recorded(&intent.urn, Some(record), &[Verb::Read, Verb::Update])
            },
            Change::Delete { .. } => self.recorded(&intent.urn, None, &[Verb::Read, Verb::Delete]),
        });
        used.collect()
    }

    /// Everything that is wanted or recorded.
    fn everywhere(&self, verbs: &[Verb], everything: bool) -> Vec<Used> {
        let mut used: Vec<Used> = self.fields.keys().map(|urn| Used { everything, ..self.used(urn, verbs) }).collect();
        let state = self.basis.state;
        for (urn, record) in state.into_iter().flat_map(|state| &state.resources) {
            used.push(Used { everything, ..self.recorded(urn, Some(record), verbs) });
        }
        for deposed in state.into_iter().flat_map(|state| &state.deposed) {
            used.push(Used { everything, ..self.recorded(&deposed.urn, Some(&deposed.record), verbs) });
        }
        used
    }

    /// The roles that are assumed in other accounts, which is done from the stack's own.
    fn roles(&self, used: &[Used]) -> Vec<Grant> {
        let accounts: BTreeSet<&Option<String>> =
            used.iter().filter(|u| !u.verbs.is_empty()).map(|u| &u.place.account).collect();
        let mut providers: BTreeMap<&ProviderKey, &Provider> = BTreeMap::new();
        providers.extend(self.basis.state.into_iter().flat_map(|state| &state.providers));
        providers.extend(self.basis.program.into_iter().flat_map(|program| &program.providers));
        let roles = providers.values().filter_map(|provider| provider.role.as_ref());
        let roles = roles.filter(|role| accounts.contains(&role.account().map(str::to_owned)));
        let grant = |action: &str, role: &str| Grant {
            account: self.basis.home.account.clone(),
            type_name: "a provider context".to_owned(),
            verb: Verb::Read,
            action: action.to_owned(),
            resources: BTreeSet::from([role.to_owned()]),
            conditions: BTreeMap::new(),
        };
        let all = roles.flat_map(|role| {
            let tags = (!role.session_tags.is_empty()).then(|| grant("sts:TagSession", &role.arn));
            [Some(grant("sts:AssumeRole", &role.arn)), tags].into_iter().flatten()
        });
        all.collect()
    }
}

/// What is recorded of objects that stay; of those that are to come, what their names tell.
impl Env for Known<'_> {
    fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
        if let Some(value) = self.stay.get(urn).and_then(|record| record.outputs.get(output)) {
            return Some(value.clone());
        }
        let Some((key, fields)) = self.fields.get(urn) else { return Some(Value::Unknown) };
        let told = match output {
            "arn" => {
                let id = self.stay.get(urn).map(|record| record.id.as_str());
                arn(urn.type_name(), &self.place(key), fields, id).map(|arn| Value::String(arn.into()))
            }
            // As policies have it: any.
            "owner_id" | "account_id" => {
                let account = self.place(key).account.unwrap_or_else(|| "*".to_owned());
                Some(Value::String(account.into()))
            }
            // An output that is called as a field has the field's value.
            name => fields.get(name).cloned(),
        };
        Some(told.unwrap_or(Value::Unknown))
    }

    fn configured(&self, _: &str) -> Option<Value> {
        Some(Value::Unknown)
    }
}

fn first_part(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use phx_aws::logs::LogGroup;
    use phx_model::config::ConfigSource;
    use phx_model::urn::StackName;
    use phx_model::{Check, Stack};

    use super::*;

    /// A program that makes a log group, and checks it and one that is there already.
    fn program() -> Program {
        let name = |text| StackName::new(text).unwrap();
        let stack = Stack::new(name("p"), name("s"), ConfigSource::default(), BTreeMap::new());
        let own = stack.add("own", LogGroup::new("/own")).unwrap();
        stack.verify("own", Check::resource(&own)).unwrap();
        stack.verify("theirs", Check::existing::<LogGroup>("/theirs")).unwrap();
        stack.verify("name", Check::dns("api.example.com")).unwrap();
        stack.finish()
    }

    /// The actions of grants, each with what it is about.
    fn actions(grants: &BTreeSet<Grant>) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut actions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for grant in grants {
            actions.entry(&grant.action).or_default().extend(grant.resources.iter().map(String::as_str));
        }
        actions
    }

    #[test]
    fn what_checks_read_is_permitted_and_nothing_else() {
        let (program, lookups) = (program(), BTreeSet::new());
        let home = Place::new(Some("123456789012".into()), Some("us-west-2".into()));
        let basis = Basis { program: Some(&program), state: None, plan: None, lookups: &lookups, home: &home };
        let verify = for_plan(Operation::Verify, &basis).unwrap();
        assert!(verify.iter().all(|grant| grant.verb == Verb::Read), "{verify:?}");
        let said = actions(&verify);
        assert!(said.contains_key("logs:DescribeLogGroups"), "{said:?}");
        // Of the existing one only its id is known, and which field that is depends on the type.
        assert!(said["logs:ListTagsForResource"].contains("*"), "{said:?}");
        // An `up` makes the checks, too, whatever its plan says.
        assert!(for_plan(Operation::Up, &basis).unwrap().is_superset(&verify));
        assert!(for_plan(Operation::All, &basis).unwrap().is_superset(&verify));
        let without = Program { checks: Vec::new(), ..program.clone() };
        let basis = Basis { program: Some(&without), ..basis };
        assert!(for_plan(Operation::Verify, &basis).unwrap().is_empty());
    }

    #[test]
    fn looking_for_orphans_takes_more_than_drift_and_changes_nothing() {
        let (program, lookups) = (program(), BTreeSet::new());
        let home = Place::new(Some("123456789012".into()), Some("us-west-2".into()));
        let basis = Basis { program: Some(&program), state: None, plan: None, lookups: &lookups, home: &home };
        let orphans = for_orphans(&basis).unwrap();
        assert!(orphans.iter().all(|grant| grant.verb == Verb::Read), "{orphans:?}");
        let said = actions(&orphans);
        for action in
            ["tag:GetResources", "iam:GetAccountAuthorizationDetails", "autoscaling:DescribeAutoScalingGroups"]
        {
            assert!(said[action].contains("*"), "{action}: {said:?}");
        }
        assert!(said["logs:ListTagsForResource"].contains("*"), "whatever its name: {said:?}");
        // In every account that something lies in.
        let accounts = |program: &Program| -> BTreeSet<Option<String>> {
            let basis = Basis { program: Some(program), ..basis };
            for_orphans(&basis).unwrap().into_iter().map(|grant| grant.account).collect()
        };
        assert_eq!(accounts(&program), [Some("123456789012".to_owned())].into());
        let mut spread = program.clone();
        spread.resources[0].options.provider = ProviderKey("210987654321/eu-west-1@there".into());
        assert_eq!(accounts(&spread), [Some("123456789012".to_owned()), Some("210987654321".to_owned())].into());
    }
}
