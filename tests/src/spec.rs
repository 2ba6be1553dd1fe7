//! Random programs and random edits of them.
//!
//! A [`Spec`] is a program as data: items with a few small numbers each, from which fields, references and options follow. References are
//! picked among the items before, in a way that adding or removing an item moves as few of them as possible. Whatever the
//! numbers are, the program is valid; so proptest can shrink them freely.

use std::collections::BTreeMap;

use phx_model::stack::{Options, ProgramError};
use phx_model::typed::Tags;
use phx_model::urn::StackName;
use phx_model::value::Json;
use phx_model::{Expr, Handle, Input, Ipv4Cidr, Program, Stack, Urn, Value};
use proptest::prelude::*;

use crate::sim::{
    Bucket, CANARY, Disk, Encryption, Group, GroupId, Network, Object, Outside, Rng, Rule, Server, Subnet,
};
use crate::world::{program_of, stack_name};

/// The simulated types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named after the types
pub enum Kind {
    Network,
    Subnet,
    Group,
    Rule,
    Server,
    Bucket,
    Disk,
}

/// The options of an item.
#[derive(Clone, Copy, Default)]
pub struct Choices {
    /// `protect`
    pub protect: bool,
    /// `retain`, where the type lets an object be left behind
    pub retain: bool,
    /// `ignore_changes`, of one field or one tag
    pub ignore: bool,
    /// `replace_on`, of this value
    pub replace_on: Option<u8>,
    /// `delete_before_replace`, where the type allows either order
    pub order: Option<bool>,
    /// `depends_on`, of an item picked by this
    pub depends: Option<u8>,
}

/// One resource.
#[derive(Clone)]
pub struct Item {
    /// Its type.
    pub kind: Kind,
    /// Its name is made from this.
    pub name: u32,
    /// What must be its alone (an address range, a port, a bucket's name) is made from this.
    pub key: u32,
    /// Its fields' values follow from these.
    pub fields: [u8; 3],
    /// What it refers to follows from this.
    pub pick: u8,
    /// Its options.
    pub choices: Choices,
    /// Earlier names.
    pub aliases: Vec<u32>,
}

// On one line each, whatever was asked for: a failed case is a list of them.
impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { protect, retain, ignore, replace_on, order, depends } = self;
        write!(
            f,
            "protect {protect} retain {retain} ignore {ignore} replace_on {replace_on:?} order {order:?} depends {depends:?}"
        )
    }
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, key, fields: [a, b, c], pick, choices, aliases } = self;
        write!(f, "r{name} {kind:?} key {key} fields {a} {b} {c} pick {pick} aliases {aliases:?} {choices:?}")
    }
}

/// A program as data. See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The resources.
    pub items: Vec<Item>,
    next: u32,
}

/// A change of a program. Items are named by a number that is taken modulo how many there are.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the fields are the numbers that the variant's comment speaks of
pub enum Edit {
    /// A new item at a place.
    Add { at: u8, kind: Kind, fields: [u8; 3], pick: u8, choices: Choices },
    /// An item less.
    Remove { at: u8 },
    /// Other fields.
    Fields { at: u8, fields: [u8; 3] },
    /// Other references.
    Pick { at: u8, pick: u8 },
    /// Other options.
    Choices { at: u8, choices: Choices },
    /// Another name, with the old one as an alias.
    Rename { at: u8 },
    /// Another name without an alias: a new object takes what the old one had. Only of items that no other refers to.
    Recreate { at: u8 },
    /// Another place among the items, so that references can turn round.
    Move { at: u8, to: u8 },
}

/// What someone outside does to an object, which is named by a number modulo how many there are.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Meddling {
    /// Changes a field.
    Set { at: u8, to: u8 },
    /// Adds a tag.
    Tag { at: u8 },
    /// Deletes it.
    Delete { at: u8 },
}

impl Spec {
    /// Applies edits. What is made anew under another name comes last, when it is clear what refers to what.
    pub fn edit_all(&mut self, edits: &[Edit]) {
        let (last, first): (Vec<&Edit>, Vec<&Edit>) = edits.iter().partition(|e| matches!(e, Edit::Recreate { .. }));
        first.into_iter().chain(last).for_each(|edit| self.edit(edit));
    }

    /// Applies an edit.
    pub fn edit(&mut self, edit: &Edit) {
        let count = self.items.len();
        let pick = |at: u8| if count == 0 { None } else { Some(usize::from(at) % count) };
        match *edit {
            Edit::Add { at, kind, fields, pick, choices } => {
                let name = self.fresh();
                let item = Item { kind, name, key: name, fields, pick, choices, aliases: Vec::new() };
                self.items.insert(usize::from(at) % (count + 1), item);
            }
            Edit::Remove { at } => {
                pick(at).map(|at| self.items.remove(at));
            }
            Edit::Fields { at, fields } => self.change(pick(at), |item| item.fields = fields),
            Edit::Pick { at, pick: to } => self.change(pick(at), |item| item.pick = to),
            Edit::Choices { at, choices } => self.change(pick(at), |item| item.choices = choices),
            Edit::Rename { at } => {
                let name = self.fresh();
                self.change(pick(at), |item| {
                    item.aliases.push(std::mem::replace(&mut item.name, name));
                });
            }
            Edit::Recreate { at } => {
                let name = self.fresh();
                let referred = pick(at).is_some_and(|at| self.is_referred_to(at));
                if !referred {
                    self.change(pick(at), |item| {
                        item.aliases.clear();
                        item.name = name;
                    });
                }
            }
            Edit::Move { at, to } => {
                if let (Some(at), Some(to)) = (pick(at), pick(to)) {
                    let item = self.items.remove(at);
                    self.items.insert(to, item);
                }
            }
        }
    }

    /// No item has options that make phx refuse or leave behind.
    pub fn unprotected(&self) -> Self {
        let mut spec = self.clone();
        spec.items.iter_mut().for_each(|item| item.choices.protect = false);
        spec
    }

    /// The program, and nothing of a type that cannot be found again after a kill.
    pub fn without_disks(&self) -> Self {
        let items = self.items.iter().filter(|i| i.kind != Kind::Disk).cloned().collect();
        Self { items, next: self.next }
    }

    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn change(&mut self, at: Option<usize>, f: impl FnOnce(&mut Item)) {
        at.and_then(|at| self.items.get_mut(at)).map(f);
    }

    fn is_referred_to(&self, at: usize) -> bool {
        let program = self.program();
        let name = resource_name(self.items[at].name);
        let Some(index) = program.resources.iter().position(|d| d.urn.name() == name) else { return false };
        let graph = phx_engine::graph::Graph::new(&program).expect("a graph");
        (0..program.resources.len()).any(|other| graph.dependencies(other).contains(&index))
    }

    /// The same with other names and keys, from `base` on, so that two programs want nothing of each other's.
    #[must_use]
    pub fn numbered_from(&self, base: u32) -> Self {
        let mut spec = self.clone();
        spec.next += base;
        for item in &mut spec.items {
            item.name += base;
            item.key += base;
            item.aliases.iter_mut().for_each(|name| *name += base);
        }
        spec
    }

    /// The program that it says.
    pub fn program(&self) -> Program {
        self.program_of(&stack_name())
    }

    /// The program that it says, for another stack.
    pub fn program_of(&self, stack: &StackName) -> Program {
        program_of(stack.clone(), |stack| {
            let mut made = Made::default();
            for item in &self.items {
                made.add(stack, item)?;
            }
            if let Some((_, network)) = made.networks.first() {
                stack.export("network", network.id())?;
                stack.export("table", network.main_table())?;
            }
            if let Some((_, server)) = made.servers.last() {
                stack.export("address", server.address())?;
                stack.export("key", server.key())?;
            }
            Ok(())
        })
    }

    /// The same program declared in another order.
    pub fn shuffled(&self, seed: u64) -> Program {
        let mut program = self.program();
        Rng::new(seed).shuffle(&mut program.resources);
        program
    }
}

fn resource_name(name: u32) -> String {
    format!("r{name}")
}

/// What is declared so far, by type.
#[derive(Default)]
struct Made {
    networks: Vec<(u32, Handle<Network>)>,
    subnets: Vec<(u32, Handle<Subnet>)>,
    groups: Vec<(u32, Handle<Group>)>,
    servers: Vec<(u32, Handle<Server>)>,
    buckets: Vec<(u32, Handle<Bucket>)>,
    all: Vec<(u32, Urn)>,
}

/// The one that the pick names: the same as long as it is there, whatever else comes and goes.
fn choose<T>(from: &[(u32, T)], pick: u64) -> Option<&T> {
    from.iter()
        .min_by_key(|(key, _)| Rng::new(pick.wrapping_mul(0x1_0000_0001) ^ u64::from(*key)).next_u64())
        .map(|(_, t)| t)
}

impl Made {
    fn add(&mut self, stack: &Stack, item: &Item) -> Result<(), ProgramError> {
        let name = resource_name(item.name);
        let [a, b, c] = item.fields;
        let pick = |salt: u64| u64::from(item.pick) * 8 + salt;
        let (network, subnet, group, server) = (
            choose(&self.networks, pick(0)).cloned(),
            choose(&self.subnets, pick(1)).cloned(),
            choose(&self.groups, pick(2)).cloned(),
            choose(&self.servers, pick(3)).cloned(),
        );
        let options = self.options(item);
        let urn = match item.kind {
            Kind::Network => {
                let mut network = Network::new(range(item.key, 0, 16)).tags(self.tags(b));
                if let Some(dns) = maybe(a, [true, false]) {
                    network = network.dns(dns);
                }
                let handle = stack.add_with(&name, network, options)?;
                let urn = handle.urn().clone();
                self.networks.push((item.key, handle));
                urn
            }
            Kind::Subnet => {
                let Some(network) = network else { return Ok(()) };
                let mut subnet =
                    Subnet::new(network.id(), range(item.key, 1 + u32::from(c % 2), 24)).tags(self.tags(b));
                if let Some(zone) = maybe(a, ["zone-a", "zone-b"]) {
                    subnet = subnet.zone(zone);
                }
                if let Some(public) = maybe(a / 3, [true, false]) {
                    subnet = subnet.public(public);
                }
                let handle = stack.add_with(&name, subnet, options)?;
                let urn = handle.urn().clone();
                self.subnets.push((item.key, handle));
                urn
            }
            Kind::Group => {
                let Some(network) = network else { return Ok(()) };
                let group = Group::new(network.id(), format!("for {}", a % 3)).tags(self.tags(b));
                let handle = stack.add_with(&name, group, options)?;
                let urn = handle.urn().clone();
                self.groups.push((item.key, handle));
                urn
            }
            Kind::Rule => {
                let Some(group) = group else { return Ok(()) };
                let mut rule = Rule::new(group.id(), i64::from(1000 + item.key));
                if let Some(protocol) = maybe(a, ["tcp", "udp"]) {
                    rule = rule.protocol(protocol);
                }
                rule = match (b % 4, server) {
                    (0, _) => rule,
                    (1, Some(server)) => rule.description(phx_model::format!("to {}", server.address())),
                    (n, _) => rule.description(format!("number {n}")),
                };
                stack.add_with(&name, rule, options)?.urn().clone()
            }
            Kind::Server => {
                let Some(subnet) = subnet else { return Ok(()) };
                let server = self.server(&subnet, item);
                let handle = stack.add_with(&name, server, options)?;
                let urn = handle.urn().clone();
                self.servers.push((item.key, handle));
                urn
            }
            Kind::Bucket => {
                let handle = stack.add_with(&name, self.bucket(item), options)?;
                let urn = handle.urn().clone();
                self.buckets.push((item.key, handle));
                urn
            }
            Kind::Disk => {
                let mut disk = Disk::new(i64::from(a % 4) + 1);
                if let Some(medium) = maybe(b, ["ssd", "tape"]) {
                    disk = disk.medium(medium);
                }
                if let (true, Some(server)) = (c % 2 == 0, server) {
                    disk = disk.server(server.id());
                }
                stack.add_with(&name, disk, options)?.urn().clone()
            }
        };
        self.all.push((item.key, urn));
        Ok(())
    }

    fn server(&self, subnet: &Handle<Subnet>, item: &Item) -> Server {
        let [a, b, c] = item.fields;
        let mut server = Server::new(subnet.id(), ["Small", "large", "HUGE"][usize::from(a % 3)]).tags(self.tags(b));
        let mut groups: BTreeMap<String, Input<GroupId>> = BTreeMap::new();
        for salt in 0..u64::from(c % 3) {
            if let Some(group) = choose(&self.groups, u64::from(item.pick) + 1000 * salt) {
                groups.insert(group.urn().to_string(), group.id().into());
            }
        }
        let mut groups: Vec<Input<GroupId>> = groups.into_values().collect();
        // The order of a set means nothing.
        Rng::new(u64::from(a) + u64::from(b)).shuffle(&mut groups);
        if !groups.is_empty() {
            server = server.groups(groups);
        }
        if let Some(n) = maybe(b, [1, 2]) {
            server = server.password(format!("{CANARY}password-{n}"));
        }
        if let Some(n) = maybe(b / 3, [1, 2]) {
            let text = format!(r#"{{"threads": {n}, "hosts": ["x", {{"y": null}}]}}"#);
            server = server.settings(Json::parse(&text).expect("JSON"));
        }
        if let Some(boot) = maybe(c / 3, ["one", "two"]) {
            server = server.boot(boot);
        }
        server
    }

    fn bucket(&self, item: &Item) -> Bucket {
        let [a, b, c] = item.fields;
        let mut bucket = Bucket::new(format!("bucket-{}-{}", item.key, c % 2)).tags(self.tags(b));
        if let Some(versioning) = maybe(a, [true, false]) {
            bucket = bucket.versioning(versioning);
        }
        if a / 3 % 2 == 0 {
            let mut encryption = Encryption::new(format!("mode-{}", a / 6 % 2));
            if c / 2 % 2 == 0 {
                encryption = encryption.key("some-key");
            }
            bucket = bucket.encryption(encryption);
        }
        if let Some((_, server)) = self.servers.first() {
            let id: Input<_> = server.id().into();
            let allow = [("allow".to_owned(), Expr::List(vec![id.into_expr(), literal("*")]))];
            bucket = bucket.policy(Input::from_expr(Expr::Map(allow.into())));
        } else if b % 2 == 0 {
            bucket = bucket.policy(Json(Value::Map([("deny".to_owned(), Value::Int(i64::from(b)))].into())));
        }
        bucket
    }

    /// Tags: none, some, and some that other resources decide.
    fn tags(&self, n: u8) -> Tags {
        let mut tags = Tags::default();
        if n % 2 == 1 {
            tags.insert("owner", format!("team-{}", n % 5));
        }
        if n % 3 == 1 {
            tags.insert("stage", "test");
        }
        if let (1, Some((_, network))) = (n % 5, self.networks.first()) {
            tags.insert("table", network.main_table());
        }
        if let (2, Some((_, bucket))) = (n % 5, self.buckets.first()) {
            tags.insert("logs", bucket.address());
        }
        tags
    }

    fn options(&self, item: &Item) -> Options {
        let choices = &item.choices;
        let mut options = Options::new().protect(choices.protect);
        // Only what nothing holds on to, and what holds no name, can stay behind for ever without being in the way.
        if item.kind == Kind::Disk {
            options = options.retain(choices.retain);
        }
        if choices.ignore {
            options = options.ignore_changes(match item.kind {
                Kind::Network | Kind::Subnet | Kind::Group => ["tags.owner"],
                Kind::Rule => ["description"],
                Kind::Server => ["settings"],
                Kind::Bucket => ["versioning"],
                Kind::Disk => ["size"],
            });
        }
        if let Some(n) = choices.replace_on {
            options = options.replace_on(i64::from(n % 3));
        }
        // An object that others hold on to and can let go of only by an update cannot be deleted before its successor exists.
        let held = matches!(item.kind, Kind::Network | Kind::Group);
        if let Some(first) = choices.order
            && !held
            && (first || matches!(item.kind, Kind::Server | Kind::Disk))
        {
            options = options.delete_before_replace(first);
        }
        if let Some(pick) = choices.depends
            && !held
            && let Some(other) = choose(&self.all, u64::from(pick))
        {
            options = options.depends_on(other);
        }
        for name in &item.aliases {
            options = options.alias(resource_name(*name));
        }
        options
    }
}

fn literal(text: &str) -> Expr {
    Expr::Literal(Value::String(text.into()))
}

fn maybe<T>(n: u8, of: [T; 2]) -> Option<T> {
    let [first, second] = of;
    match n % 3 {
        0 => None,
        1 => Some(first),
        _ => Some(second),
    }
}

fn range(key: u32, way: u32, prefix: u8) -> Ipv4Cidr {
    let first = 10 + way % 4;
    let bits = match prefix {
        16 => (key % 256) << 16,
        _ => (key % 65_536) << 8,
    };
    Ipv4Cidr::new(std::net::Ipv4Addr::from((first << 24) | bits), prefix).expect("a range")
}

impl Meddling {
    /// What it does to which of these objects.
    pub fn on<'a>(&self, objects: &'a [Object]) -> Option<(&'a Object, Outside)> {
        let (Self::Set { at, .. } | Self::Tag { at } | Self::Delete { at }) = self;
        let object = objects.get(usize::from(*at) % objects.len().max(1))?;
        let what = match *self {
            Self::Delete { .. } => Outside::Delete,
            Self::Tag { .. } if object.type_name.ends_with("Rule") || object.type_name.ends_with("Disk") => {
                return None;
            }
            Self::Tag { .. } => Outside::Tag("meddler".into(), "was-here".into()),
            Self::Set { to, .. } => {
                let text = |t: &str| Value::String(t.into());
                match object.type_name.rsplit(':').next().unwrap_or_default() {
                    "Network" => Outside::Set("dns", Value::Bool(to % 2 == 0)),
                    "Subnet" => Outside::Set("public", Value::Bool(to % 2 == 0)),
                    "Group" => Outside::Set("description", text("meddled with")),
                    "Rule" => Outside::Set("description", text("meddled with")),
                    "Server" if to % 2 == 0 => Outside::Set("groups", Value::Null),
                    "Server" => Outside::Set("size", text("tiny")),
                    "Bucket" if to % 2 == 0 => Outside::Set("policy", Value::Null),
                    "Bucket" => Outside::Set("versioning", Value::Bool(to % 4 == 1)),
                    _ => Outside::Set("size", Value::Int(99)),
                }
            }
        };
        Some((object, what))
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        2 => Just(Kind::Network),
        3 => Just(Kind::Subnet),
        3 => Just(Kind::Group),
        2 => Just(Kind::Rule),
        3 => Just(Kind::Server),
        2 => Just(Kind::Bucket),
        2 => Just(Kind::Disk),
    ]
}

fn choices() -> impl Strategy<Value = Choices> {
    let rare = |n: u32| prop::bool::weighted(1.0 / f64::from(n));
    let maybe_u8 = || prop_oneof![3 => Just(None), 1 => any::<u8>().prop_map(Some)];
    let order = prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (rare(12), rare(6), rare(6), maybe_u8(), order, maybe_u8()).prop_map(
        |(protect, retain, ignore, replace_on, order, depends)| Choices {
            protect,
            retain,
            ignore,
            replace_on,
            order,
            depends,
        },
    )
}

fn add() -> impl Strategy<Value = Edit> {
    (any::<u8>(), kinds(), any::<[u8; 3]>(), any::<u8>(), choices())
        .prop_map(|(at, kind, fields, pick, choices)| Edit::Add { at, kind, fields, pick, choices })
}

/// Random programs of up to so many resources.
pub fn specs(most: usize) -> impl Strategy<Value = Spec> {
    // New ones go to the end, so that what comes later refers to what came before.
    prop::collection::vec(add(), 1..=most).prop_map(|adds| {
        let mut spec = Spec::default();
        // Without these there is little to refer to.
        for kind in [Kind::Network, Kind::Subnet, Kind::Group] {
            spec.append(kind, [1, 0, 0], 0, Choices::default());
        }
        for edit in adds {
            if let Edit::Add { kind, fields, pick, choices, .. } = edit {
                spec.append(kind, fields, pick, choices);
            }
        }
        spec
    })
}

impl Spec {
    /// Adds an item after all others.
    pub fn append(&mut self, kind: Kind, fields: [u8; 3], pick: u8, choices: Choices) {
        let name = self.fresh();
        self.items.push(Item { kind, name, key: name, fields, pick, choices, aliases: Vec::new() });
    }
}

/// Random edits.
pub fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => add(),
        3 => any::<u8>().prop_map(|at| Edit::Remove { at }),
        5 => (any::<u8>(), any::<[u8; 3]>()).prop_map(|(at, fields)| Edit::Fields { at, fields }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(at, pick)| Edit::Pick { at, pick }),
        2 => (any::<u8>(), choices()).prop_map(|(at, choices)| Edit::Choices { at, choices }),
        2 => any::<u8>().prop_map(|at| Edit::Rename { at }),
        1 => any::<u8>().prop_map(|at| Edit::Recreate { at }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(at, to)| Edit::Move { at, to }),
    ]
}

/// Random meddling.
pub fn meddlings() -> impl Strategy<Value = Meddling> {
    prop_oneof![
        3 => (any::<u8>(), any::<u8>()).prop_map(|(at, to)| Meddling::Set { at, to }),
        1 => any::<u8>().prop_map(|at| Meddling::Tag { at }),
        1 => any::<u8>().prop_map(|at| Meddling::Delete { at }),
    ]
}
