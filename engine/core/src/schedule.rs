//! From a plan to actions: which of them there are and which must wait for which. Pure.

use std::collections::{BTreeMap, BTreeSet};

use phx_model::schema::{Kind, Schema};
use phx_model::state::{Record, State};
use phx_model::{Program, Urn, Value};

use crate::needs::{circles, needs};
use crate::plan::{Op, Plan, ReplaceOrder, Step};

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Make a new object of the resource.
    Create,
    /// Change the object in place.
    Update,
    /// Delete the object of this id.
    Delete {
        /// The cloud's id.
        id: String,
    },
    /// Record the object as phx's own, and update it if the step has a diff.
    Adopt,
    /// Forget the object of this id.
    Forget {
        /// The cloud's id.
        id: String,
    },
    /// Record that the object of this id is gone: it was a part of another one, whose delete this action waits for.
    Vanish {
        /// The cloud's id.
        id: String,
    },
}

impl Work {
    /// The verb of the type that it calls, under which its durations are remembered; `None` if it calls nothing that takes long.
    pub fn verb(&self) -> Option<&'static str> {
        match self {
            Self::Create => Some("create"),
            Self::Update => Some("update"),
            Self::Delete { .. } => Some("delete"),
            Self::Adopt | Self::Forget { .. } | Self::Vanish { .. } => None,
        }
    }
}

/// One action.
#[derive(Clone, Debug)]
pub struct Action {
    /// The resource.
    pub urn: Urn,
    /// The plan's step it belongs to, by its place.
    pub step: usize,
    /// What it does.
    pub work: Work,
    /// The actions that must be done before it, by their places.
    pub needs: Vec<usize>,
    /// How long the longest way from its beginning to an end is expected to take, in milliseconds; the longer, the sooner it should begin.
    pub depth: u64,
}

/// What a type is, by its name.
pub type Schemas<'a> = &'a dyn Fn(&str) -> Option<&'static Schema>;

/// How long an action takes of which nothing is known, in milliseconds.
const UNKNOWN_MS: u64 = 1000;

/// Where a part holds something else than its whole (a rule names another group), that has to wait for the whole. So many deletes in a row may come
/// to wait for each other in this way; then a part is deleted by itself, and what it held waits for nothing but that.
const CHAIN: u32 = 4;

/// The actions of a plan. Their needs form no cycle.
pub fn schedule(plan: &Plan, program: &Program, state: &State, schemas: Schemas<'_>) -> Vec<Action> {
    let mut builder = Builder::default();
    for (at, step) in plan.steps.iter().enumerate() {
        builder.add(at, step, state);
    }
    builder.order_makes(plan);
    builder.order_twins(plan);
    builder.order_deletes(plan, state);
    builder.order_names(plan, program, state);
    builder.loosen();
    builder.vanish(state, schemas);
    builder.finish(state)
}

#[derive(Default)]
struct Builder {
    actions: Vec<Action>,
    /// The action after which the resource is as the program wants it.
    make: BTreeMap<Urn, usize>,
    /// The actions that end an object, by resource and id.
    end: BTreeMap<(Urn, String), usize>,
    /// The needs that a delete has of what changes its object's dependents. See [`Builder::loosen`].
    soft: Vec<(usize, usize)>,
}

impl Builder {
    fn push(&mut self, step: usize, urn: &Urn, work: Work) -> usize {
        self.actions.push(Action { urn: urn.clone(), step, work, needs: Vec::new(), depth: 0 });
        self.actions.len() - 1
    }

    fn push_delete(&mut self, at: usize, step: &Step) -> usize {
        // Every step that deletes has the id of what it deletes: the planner takes it from the record.
        let id = step.id.clone().unwrap_or_default();
        let node = self.push(at, &step.urn, Work::Delete { id: id.clone() });
        self.end.insert((step.urn.clone(), id), node);
        node
    }

    fn add(&mut self, at: usize, step: &Step, state: &State) {
        let make = match step.op {
            Op::Same => return,
            Op::Create => self.push(at, &step.urn, Work::Create),
            Op::Update => self.push(at, &step.urn, Work::Update),
            Op::Adopt => self.push(at, &step.urn, Work::Adopt),
            Op::Forget => {
                let id = step.id.clone().unwrap_or_default();
                self.push(at, &step.urn, Work::Forget { id });
                return;
            }
            Op::Delete | Op::DeleteDeposed => {
                self.push_delete(at, step);
                return;
            }
            Op::Replace(order) => {
                let create = self.push(at, &step.urn, Work::Create);
                let retained = state.resources.get(&step.urn).is_some_and(|r| r.retain);
                let delete = self.push_delete(at, step);
                if let (true, Some(id)) = (retained, &step.id) {
                    self.actions[delete].work = Work::Forget { id: id.clone() };
                }
                match order {
                    ReplaceOrder::CreateBeforeDelete => self.actions[delete].needs.push(create),
                    ReplaceOrder::DeleteBeforeCreate => self.actions[create].needs.push(delete),
                }
                create
            }
        };
        self.make.insert(step.urn.clone(), make);
    }

    /// What is made waits for what it depends on.
    fn order_makes(&mut self, plan: &Plan) {
        for step in &plan.steps {
            let Some(&node) = self.make.get(&step.urn) else { continue };
            if !step.op.makes() {
                continue;
            }
            let needs = step.depends_on.iter().filter_map(|urn| self.make.get(urn)).copied();
            self.actions[node].needs.extend(needs);
        }
    }

    /// A resource may have two objects of one id: in two regions, say. They end one after the other and the old one first, as the state takes them
    /// away.
    fn order_twins(&mut self, plan: &Plan) {
        let mut ends: BTreeMap<(Urn, String), Vec<usize>> = BTreeMap::new();
        for (node, action) in self.actions.iter().enumerate() {
            if let Work::Delete { id } | Work::Forget { id } = &action.work {
                ends.entry((action.urn.clone(), id.clone())).or_default().push(node);
            }
        }
        for mut twins in ends.into_values().filter(|twins| twins.len() > 1) {
            twins.sort_by_key(|node| plan.steps[self.actions[*node].step].op != Op::DeleteDeposed);
            for pair in twins.windows(2) {
                self.actions[pair[1]].needs.push(pair[0]);
            }
        }
    }

    /// What is deleted waits until nothing that the state knows of needs it any more: until its dependents are deleted, or have been
    /// changed to do without it.
    fn order_deletes(&mut self, plan: &Plan, state: &State) {
        if self.end.is_empty() {
            return;
        }
        let mut edges: Vec<(usize, usize)> = Vec::new();
        let own = state.resources.iter().map(|(urn, record)| (urn, record, self.make.get(urn).copied()));
        let deposed = state.deposed.iter().map(|d| (&d.urn, &d.record, None));
        // What nothing happens to waits for nothing.
        let end = |urn: &Urn, record: &Record| self.end.get(&(urn.clone(), record.id.clone())).copied();
        let objects: Vec<_> = own
            .chain(deposed)
            .map(|(urn, record, make)| (urn, record, make, end(urn, record)))
            .filter(|(_, _, make, end)| make.is_some() || end.is_some())
            .collect();
        let needs = needs(&objects.iter().map(|(urn, record, ..)| (*urn, *record)).collect::<Vec<_>>());
        for (&(_, _, dependent_make, dependent_end), needed) in objects.iter().zip(needs) {
            for end in needed.into_iter().filter_map(|at| objects[at].3) {
                match (dependent_end, dependent_make) {
                    (Some(dependent), _) => edges.push((end, dependent)),
                    (None, Some(make)) if !self.deleted_first(plan, end) => self.soft.push((end, make)),
                    (None, _) => {}
                }
            }
        }
        edges.extend(&self.soft);
        for (node, needs) in edges {
            if node != needs {
                self.actions[node].needs.push(needs);
            }
        }
    }

    /// Whether the action is the delete of a replacement that deletes first: its dependents wait for the new object, so it can't wait for them.
    fn deleted_first(&self, plan: &Plan, end: usize) -> bool {
        plan.steps[self.actions[end].step].op == Op::Replace(ReplaceOrder::DeleteBeforeCreate)
    }

    /// A new object that takes a name (see `Schema::unique`) waits until the object that had it is deleted, unless that must itself wait
    /// for the new one. An old object that an earlier run left behind may have it, too. Where the delete is to wait for dependents that go over to the
    /// new object, that is let go of: none of the three could ever be done.
    fn order_names(&mut self, plan: &Plan, program: &Program, state: &State) {
        let mut freed: BTreeMap<String, usize> = BTreeMap::new();
        let schemas: BTreeMap<&str, _> = program.resources.iter().map(|d| (d.schema.type_name, d.schema)).collect();
        let deposed = by_object(state);
        for ((urn, id), &node) in &self.end {
            let pure = matches!(plan.steps[self.actions[node].step].op, Op::Delete | Op::DeleteDeposed);
            let own = state.resources.get(urn).filter(|r| r.id == *id);
            let record = own.or_else(|| deposed.get(&(urn, id.as_str())).copied());
            if let (true, Some(record), Some(schema)) = (pure, record, schemas.get(urn.type_name()))
                && let Some(key) = unique_key(schema, record)
            {
                freed.insert(key, node);
            }
        }
        if freed.is_empty() {
            return;
        }
        let soft: BTreeSet<(usize, usize)> = self.soft.iter().copied().collect();
        for step in plan.steps.iter().filter(|s| matches!(s.op, Op::Create | Op::Replace(_))) {
            let Some(schema) = schemas.get(step.urn.type_name()) else { continue };
            // Of a replacement, the diff has what changes, and the record the rest.
            let mut inputs = state.resources.get(&step.urn).map(|r| r.inputs.clone()).unwrap_or_default();
            inputs.extend(step.diff.iter().map(|d| (d.path.as_str(), d.after.clone())));
            let wanted = Record { inputs, ..Record::default() };
            let (Some(key), Some(&create)) = (unique_key(schema, &wanted), self.make.get(&step.urn)) else {
                continue;
            };
            if let Some(&delete) = freed.get(&key)
                && !self.must_wait(delete, create, &soft)
            {
                self.actions[create].needs.push(delete);
            }
        }
    }

    /// Whether `from` waits for `to`, directly or not, also where the [soft](Self::loosen) needs do not count.
    fn must_wait(&self, from: usize, to: usize, soft: &BTreeSet<(usize, usize)>) -> bool {
        let mut seen = BTreeSet::new();
        let mut todo = vec![from];
        while let Some(node) = todo.pop() {
            if node == to {
                return true;
            }
            if seen.insert(node) {
                todo.extend(self.actions[node].needs.iter().filter(|need| !soft.contains(&(node, **need))));
            }
        }
        false
    }

    /// A delete waits for the updates that make its object's dependents do without it. Where such an update itself waits for the delete (it
    /// is to name a new object, which can only be made once others are deleted), it does not: most clouds let go of the reference, and
    /// one that doesn't refuses and says what holds the object.
    fn loosen(&mut self) {
        if self.soft.is_empty() {
            return;
        }
        let needs: Vec<Vec<usize>> = self.actions.iter().map(|a| a.needs.clone()).collect();
        let part = circles(&needs);
        for (end, make) in std::mem::take(&mut self.soft) {
            if part[end].is_some() && part[end] == part[make] {
                self.actions[end].needs.retain(|need| *need != make);
            }
        }
    }

    /// What is a part of an object that is deleted as well goes with it, without a call of its own, and whatever would have waited for its
    /// delete waits for that of the whole. Where that would go round in a circle (two groups with a rule each that names the other), or make a long
    /// chain of deletes that could go side by side, the part is deleted by itself.
    fn vanish(&mut self, state: &State, schemas: Schemas<'_>) {
        let mut parts = self.parts(state, schemas);
        while !parts.is_empty() {
            let needs = self.needs_with(&parts);
            let circle = circles(&needs);
            let sound = parts.len();
            parts.retain(|&part, _| circle[part].is_none());
            if parts.len() < sound {
                continue;
            }
            let chained = chained(&needs, &parts);
            if !chained.is_empty() {
                parts.retain(|part, _| !chained.contains(part));
                continue;
            }
            for (action, needs) in self.actions.iter_mut().zip(needs) {
                action.needs = needs;
            }
            for part in parts.into_keys() {
                let Work::Delete { id } = &self.actions[part].work else { continue };
                self.actions[part].work = Work::Vanish { id: id.clone() };
            }
            return;
        }
    }

    /// The deletes of parts, each with the delete of its whole.
    fn parts(&self, state: &State, schemas: Schemas<'_>) -> BTreeMap<usize, usize> {
        let mut parts = BTreeMap::new();
        // Behind the resources' own objects, of which there is one each.
        let deposed = by_object(state);
        let object = |urn: &Urn, id: &str| {
            let own = state.resources.get(urn).filter(|record| record.id == id);
            own.or_else(|| deposed.get(&(urn, id)).copied())
        };
        for ((urn, id), &part) in &self.end {
            let Some(field) = schemas(urn.type_name()).and_then(|schema| schema.vanishes_with) else { continue };
            let (Work::Delete { .. }, Some(record)) = (&self.actions[part].work, object(urn, id)) else { continue };
            let Some(name) = record.inputs.get(field).and_then(Value::as_str) else { continue };
            let Some(Kind::Id(kind)) = schemas(urn.type_name()).and_then(|s| s.field(field)).map(|f| f.kind) else {
                continue;
            };
            let mut wholes = record.depends_on.iter().flat_map(|other| {
                let ends =
                    self.end.range((other.clone(), String::new())..).take_while(move |((urn, _), _)| urn == other);
                ends.filter(|((urn, id), end)| {
                    matches!(self.actions[**end].work, Work::Delete { .. })
                        && object(urn, id).is_some_and(|whole| is_called(schemas(urn.type_name()), whole, kind, name))
                })
            });
            if let Some((_, &whole)) = wholes.next() {
                parts.insert(part, whole);
            }
        }
        parts
    }

    /// What each action would wait for if these parts went with their wholes.
    fn needs_with(&self, parts: &BTreeMap<usize, usize>) -> Vec<Vec<usize>> {
        let mut needs: Vec<Vec<usize>> = self.actions.iter().map(|action| action.needs.clone()).collect();
        // Parts of parts first, so that what they waited for reaches the outermost whole.
        let rank =
            |part: usize| std::iter::successors(Some(part), |at| parts.get(at).copied()).take(parts.len() + 1).count();
        let mut order: Vec<(usize, usize, usize)> =
            parts.iter().map(|(&part, &whole)| (rank(part), part, whole)).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        for (_, part, whole) in order {
            let own = std::mem::replace(&mut needs[part], vec![whole]);
            needs[whole].retain(|need| *need != part);
            needs[whole].extend(own.into_iter().filter(|need| *need != whole));
        }
        needs
    }

    fn finish(mut self, state: &State) -> Vec<Action> {
        for action in &mut self.actions {
            action.needs.sort_unstable();
            action.needs.dedup();
        }
        set_depths(&mut self.actions, state);
        self.actions
    }
}

/// The records of old objects that are still to be deleted, by resource and id.
fn by_object(state: &State) -> BTreeMap<(&Urn, &str), &Record> {
    state.deposed.iter().map(|d| ((&d.urn, d.record.id.as_str()), &d.record)).collect()
}

/// The parts through which more than [`CHAIN`] deletes in a row would wait for each other. The needs form no circle.
fn chained(needs: &[Vec<usize>], parts: &BTreeMap<usize, usize>) -> BTreeSet<usize> {
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (node, needs) in needs.iter().enumerate() {
        needs.iter().for_each(|&need| dependents[need].push(node));
    }
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut ready: Vec<usize> = (0..needs.len()).filter(|&node| waiting[node] == 0).collect();
    // How many parts each action waits for, one behind the other.
    let mut links = vec![0u32; needs.len()];
    let mut found = BTreeSet::new();
    while let Some(node) = ready.pop() {
        let holds = parts.contains_key(&node) && dependents[node].iter().any(|other| !parts.contains_key(other));
        let too_long = holds && links[node] >= CHAIN;
        if too_long {
            found.insert(node);
        }
        for &dependent in &dependents[node] {
            let link = if too_long { 0 } else { links[node] + u32::from(holds && !parts.contains_key(&dependent)) };
            links[dependent] = links[dependent].max(link);
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push(dependent);
            }
        }
    }
    found
}

/// Whether an object goes by a name that is an id of this kind.
fn is_called(schema: Option<&'static Schema>, record: &Record, kind: &str, name: &str) -> bool {
    let outputs = schema.map(|schema| schema.outputs).unwrap_or_default();
    outputs.iter().any(|output| {
        matches!(output.kind, Kind::Id(of) if of == kind)
            && record.outputs.get(output.name).and_then(Value::as_str) == Some(name)
    })
}

/// How long an action is expected to take, in milliseconds: as long as such actions took in earlier runs of the stack.
fn expected_ms(action: &Action, state: &State) -> u64 {
    let usual = |verb| state.usual_ms(action.urn.type_name(), verb).unwrap_or(UNKNOWN_MS);
    action.work.verb().map_or(0, usual)
}

/// What no two objects of the type may share, as text; `None` if the type has no such thing or it is not known.
fn unique_key(schema: &Schema, record: &Record) -> Option<String> {
    if schema.unique.is_empty() {
        return None;
    }
    let mut key = schema.type_name.to_owned();
    for field in schema.unique {
        let value = record.inputs.get(*field).unwrap_or(&Value::Null);
        key.push('\0');
        key.push_str(&value.to_plain_json()?.to_string());
    }
    Some(key)
}

/// The longest way over needs that have been done, where each action took so long. `took` is in the order of the actions.
pub fn longest_way(actions: &[Action], took: &[u64]) -> u64 {
    ways(actions, |at| took.get(at).copied().unwrap_or(0)).into_iter().max().unwrap_or(0)
}

fn set_depths(actions: &mut [Action], state: &State) {
    let expected: Vec<u64> = actions.iter().map(|action| expected_ms(action, state)).collect();
    let ways = ways(actions, |at| expected[at]);
    for (action, way) in actions.iter_mut().zip(ways) {
        action.depth = way;
    }
}

/// How long the longest way from each action's beginning to an end takes, by going from the ends backwards.
fn ways(actions: &[Action], takes: impl Fn(usize) -> u64) -> Vec<u64> {
    let mut waiting: Vec<usize> = vec![0; actions.len()];
    for action in actions {
        for &need in &action.needs {
            waiting[need] += 1;
        }
    }
    let mut ways: Vec<u64> = (0..actions.len()).map(&takes).collect();
    let mut ready: Vec<usize> = (0..actions.len()).filter(|&n| waiting[n] == 0).collect();
    while let Some(node) = ready.pop() {
        for &need in &actions[node].needs {
            ways[need] = ways[need].max(takes(need).saturating_add(ways[node]));
            waiting[need] -= 1;
            if waiting[need] == 0 {
                ready.push(need);
            }
        }
    }
    ways
}
