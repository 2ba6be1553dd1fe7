//! The simulated cloud's resource types. Between them they have every field attribute and every identity class.

use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{Block, Input, Ipv4Cidr, Outputs, Resource, Value, ValueMap};

use super::{Facts, SimType};

phx_model::id_type! {
    /// The id of a [`Network`].
    NetworkId;
    /// The id of a [`Subnet`].
    SubnetId;
    /// The id of a [`Group`].
    GroupId;
    /// The id of a [`Rule`].
    RuleId;
    /// The id of a [`Server`].
    ServerId;
    /// The id of a [`Bucket`]: its name.
    BucketId;
    /// The id of a [`Disk`].
    DiskId;
}

/// What begins every secret that the simulated cloud or a random program makes up. It must turn up nowhere.
pub const CANARY: &str = "canary-";

/// A network. It takes a while until it can be used, and until it can be read.
#[derive(Clone, Debug, Resource)]
#[resource(type = "sim:net:Network", terraform = "sim_network", cloudformation = "Sim::Net::Network", identity = IntentTag)]
pub struct Network {
    /// Its range.
    #[field(replace)]
    pub cidr: Input<Ipv4Cidr>,
    /// Whether names are resolved in it.
    #[field(cloud_default)]
    pub dns: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct NetworkOutputs {
    /// The id.
    pub id: NetworkId,
    /// The main route table, which is there once the network is ready.
    pub main_table: Option<String>,
}

impl SimType for Network {
    const PREFIX: &'static str = "net";
    const FINISHES: bool = true;
    const LAGS: bool = true;

    fn defaults() -> Vec<(&'static str, Value)> {
        vec![("dns", Value::Bool(true))]
    }
    fn outputs(facts: &Facts<'_>) -> ValueMap {
        let mut out: ValueMap = [("id".to_owned(), text(facts.id))].into();
        if facts.ready {
            out.insert("main_table", text(format!("table-of-{}", facts.id)));
        }
        out
    }
}

/// A part of a network. No two may have the same range in one network.
#[derive(Clone, Debug, Resource)]
#[resource(type = "sim:net:Subnet", identity = IntentTag, unique(network, cidr))]
pub struct Subnet {
    /// The network.
    #[field(replace)]
    pub network: Input<NetworkId>,
    /// Its range.
    #[field(replace)]
    pub cidr: Input<Ipv4Cidr>,
    /// The zone; the cloud picks one if it is not set.
    #[field(replace, cloud_default)]
    pub zone: Option<Input<String>>,
    /// Whether servers in it can be reached from outside.
    #[field(cloud_default)]
    pub public: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SubnetOutputs {
    /// The id.
    pub id: SubnetId,
    /// The zone that it lies in.
    pub zone: String,
}

impl SimType for Subnet {
    const PREFIX: &'static str = "subnet";

    fn defaults() -> Vec<(&'static str, Value)> {
        vec![("zone", text("zone-a")), ("public", Value::Bool(false))]
    }
    fn outputs(facts: &Facts<'_>) -> ValueMap {
        let zone = facts.fields.get("zone").cloned().unwrap_or_default();
        [("id".to_owned(), text(facts.id)), ("zone".to_owned(), zone)].into()
    }
}

/// A group of rules.
#[derive(Clone, Debug, Resource)]
#[resource(type = "sim:net:Group", identity = IntentTag)]
pub struct Group {
    /// The network.
    #[field(replace)]
    pub network: Input<NetworkId>,
    /// What it is for.
    #[field(replace)]
    pub description: Input<String>,
    /// The tags.
    pub tags: Tags,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct GroupOutputs {
    /// The id.
    pub id: GroupId,
}

impl SimType for Group {
    const PREFIX: &'static str = "group";

    fn outputs(facts: &Facts<'_>) -> ValueMap {
        only_id(facts)
    }
}

/// A rule of a group, which the cloud knows by group and port, and of which there can be one only. It goes with its group.
#[derive(Clone, Debug, Resource)]
#[resource(type = "sim:net:Rule", identity = NaturalKey, unique(group, port), vanishes_with(group))]
pub struct Rule {
    /// The group.
    #[field(replace)]
    pub group: Input<GroupId>,
    /// The port.
    #[field(replace)]
    pub port: Input<i64>,
    /// The protocol.
    #[field(replace)]
    pub protocol: Option<Input<String>>,
    /// What it is for.
    pub description: Option<Input<String>>,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RuleOutputs {
    /// The id.
    pub id: RuleId,
}

impl SimType for Rule {
    const PREFIX: &'static str = "rule";

    fn key(fields: &ValueMap) -> Option<String> {
        let Some(Value::Int(port)) = fields.get("port") else { return None };
        Some(format!("{}:{port}", fields.get("group")?.as_str()?))
    }
    fn outputs(facts: &Facts<'_>) -> ValueMap {
        only_id(facts)
    }
}

/// A server. It takes a while until it runs.
#[derive(Clone, Debug, Resource)]
#[resource(type = "sim:app:Server", identity = ClientToken)]
pub struct Server {
    /// The subnet.
    #[field(replace)]
    pub subnet: Input<SubnetId>,
    /// How large it is. The cloud writes it in small letters.
    #[field(normalize = lower_case)]
    pub size: Input<String>,
    /// The groups it is in.
    #[field(set)]
    pub groups: Option<Input<Vec<GroupId>>>,
    /// The password, which the cloud never tells.
    #[field(secret, write_only)]
    pub password: Option<Input<String>>,
    /// Settings.
    #[field(json)]
    pub settings: Option<Input<Json>>,
    /// The program that it starts with.
    #[field(replace)]
    pub boot: Option<Input<String>>,
    /// The tags.
    pub tags: Tags,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ServerOutputs {
    /// The id.
    pub id: ServerId,
    /// The address, which is another one after the size has changed.
    #[output(volatile)]
    pub address: String,
    /// The key to log in with.
    #[output(secret)]
    pub key: String,
}

impl SimType for Server {
    const PREFIX: &'static str = "server";
    const FINISHES: bool = true;

    fn stored(field: &str, value: Value) -> Value {
        match field {
            "size" => lower_case(&value),
            _ => value,
        }
    }
    fn outputs(facts: &Facts<'_>) -> ValueMap {
        let size = facts.fields.get("size").and_then(Value::as_str).unwrap_or_default();
        [
            ("id".to_owned(), text(facts.id)),
            ("address".to_owned(), text(format!("{}.{size}.sim", facts.id))),
            ("key".to_owned(), text(format!("{CANARY}key-of-{}", facts.id)).secret()),
        ]
        .into()
    }
}

/// How a bucket is encrypted.
#[derive(Clone, Debug, Block)]
pub struct Encryption {
    /// The method.
    pub mode: Input<String>,
    /// The key, if not the cloud's own.
    pub key: Option<Input<String>>,
}

/// A bucket. Its name is its id; everything but the name is set after it exists.
#[derive(Clone, Debug, Resource)]
#[resource(type = "sim:app:Bucket", identity = NaturalKey, unique(name))]
pub struct Bucket {
    /// The name.
    #[field(replace)]
    pub name: Input<String>,
    /// Whether old versions are kept.
    pub versioning: Option<Input<bool>>,
    /// Who may do what.
    #[field(json)]
    pub policy: Option<Input<Json>>,
    /// How it is encrypted.
    pub encryption: Option<Input<Encryption>>,
    /// The tags.
    pub tags: Tags,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct BucketOutputs {
    /// The id: the name.
    pub id: BucketId,
    /// The address.
    pub address: String,
}

impl SimType for Bucket {
    const PREFIX: &'static str = "bucket";
    const FINISHES: bool = true;
    const CREATED_BARE: &'static [&'static str] = &["name"];

    fn key(fields: &ValueMap) -> Option<String> {
        fields.get("name")?.as_str().map(str::to_owned)
    }
    fn outputs(facts: &Facts<'_>) -> ValueMap {
        [("id".to_owned(), text(facts.id)), ("address".to_owned(), text(format!("{}.bucket.sim", facts.id)))].into()
    }
}

/// A disk. The cloud gives no means to find one again whose creation had no answer.
#[derive(Clone, Debug, Resource)]
#[resource(type = "sim:app:Disk", identity = None)]
pub struct Disk {
    /// How large it is.
    pub size: Input<i64>,
    /// What it is made of.
    #[field(replace)]
    pub medium: Option<Input<String>>,
    /// The server that it is attached to. Deleting the server detaches it.
    pub server: Option<Input<ServerId>>,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DiskOutputs {
    /// The id.
    pub id: DiskId,
}

impl SimType for Disk {
    const PREFIX: &'static str = "disk";
    const WEAK: &'static [&'static str] = &["server"];

    fn outputs(facts: &Facts<'_>) -> ValueMap {
        only_id(facts)
    }
}

fn text(s: impl AsRef<str>) -> Value {
    Value::String(s.as_ref().into())
}

fn only_id(facts: &Facts<'_>) -> ValueMap {
    [("id".to_owned(), text(facts.id))].into()
}

/// The form in which the cloud keeps sizes.
pub fn lower_case(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |s| text(s.to_lowercase()))
}
