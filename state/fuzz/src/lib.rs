//! Everything that phx reads and did not just write itself, as functions of bytes. Whatever the bytes are, each of these ends, and neither panics nor takes
//! more memory than in proportion to them. What is read is used as a store or an engine would use it.
//!
//! The targets of `cargo fuzz` call these, and so does `state/tests/hostile.rs`, which needs no nightly compiler.
#![forbid(unsafe_code)]

use std::sync::Arc;

use async_trait::async_trait;
use phx_engine::saved::SealedPlan;
use phx_model::config::ConfigSource;
use phx_model::key::KeyHeader;
use phx_model::state::{Record, State};
use phx_model::store::{Store, StoreError};
use phx_model::urn::{StackName, Urn};
use phx_model::{Value, ValueMap};
use phx_state::archive::Archive;
use phx_state::secret::{DataKey, KeySource, Zeroizing};
use phx_state::wire::{self, Chain, Checkpoint, Head};
use phx_state::{MemoryStore, SealedStore};

/// One of the things that are read.
pub type Entrance = fn(&[u8]);

/// All of them, by name.
pub const ENTRANCES: [(&str, Entrance); 9] = [
    ("head", head),
    ("lease", lease),
    ("history", history),
    ("checkpoint", checkpoint),
    ("journal", journal),
    ("archive", archive),
    ("sealed", sealed),
    ("saved_plan", saved_plan),
    ("config", config),
];

/// A line as it is, and with the sum that it would have if phx had written it: or nothing but sums would ever be tested.
fn with_sums(previous: &str, line: &[u8]) -> [Vec<u8>; 2] {
    let cut = line.windows(8).rposition(|w| w == b",\"sum\":\"").unwrap_or(line.len().saturating_sub(1));
    let body = &line[..cut];
    let sum = &wire::sha256(&[previous.as_bytes(), b"\n", body].concat())[..32];
    [line.to_vec(), [body, b",\"sum\":\"", sum.as_bytes(), b"\"}\n"].concat()]
}

/// A head.
pub fn head(bytes: &[u8]) {
    for line in with_sums("", bytes) {
        if let Ok(head) = Head::decode(&line) {
            assert_eq!(Head::decode(&head.encode().expect("a head that was read can be written")).ok(), Some(head));
        }
    }
}

/// A lease.
pub fn lease(bytes: &[u8]) {
    for line in with_sums("", bytes) {
        if let Ok(lease) = wire::decode_lease(&line) {
            // A holder may be written that is too long to be read again; then writing says so.
            let _ = wire::encode_lease(&lease);
        }
    }
}

/// A line of the history.
pub fn history(bytes: &[u8]) {
    for line in with_sums("", bytes) {
        if let Ok(operation) = wire::decode_operation(&line) {
            let _ = wire::encode_operation(&operation);
        }
    }
}

/// A checkpoint.
pub fn checkpoint(bytes: &[u8]) {
    let _ = wire::peek_serial(bytes);
    let _ = Checkpoint::decode(bytes, "");
    if let Ok(state) = Checkpoint::decode(bytes, &wire::sha256(bytes)) {
        use_state(&state);
    }
}

/// What anybody does with a state: looks, writes it, reads it again.
fn use_state(state: &State) {
    let _ = format!("{state:?} {}", state.is_empty());
    if let Ok(written) = Checkpoint::encode(state) {
        let again = Checkpoint::decode(&written.bytes, &written.sha256).expect("a state that was written can be read");
        assert_eq!(again, *state);
    }
}

/// A journal, one entry a line.
pub fn journal(bytes: &[u8]) {
    let checkpoint = wire::sha256(b"");
    for repaired in [false, true] {
        let mut chain = Chain::start(&checkpoint);
        let mut previous = checkpoint.clone();
        let mut state = State::empty("a");
        for line in bytes.split(|b| *b == b'\n') {
            let [raw, summed] = with_sums(&previous, line);
            let line = if repaired { summed } else { raw };
            let line = line.trim_ascii_end();
            let Ok(entry) = chain.decode(line) else { break };
            let sum = line.len().saturating_sub(34);
            previous = String::from_utf8_lossy(line.get(sum..sum + 32).unwrap_or_default()).into_owned();
            // An entry that cannot follow is refused, and leaves a state that can be used.
            let _ = state.apply(&entry);
        }
        use_state(&state);
    }
}

/// A document of `phx state export`.
pub fn archive(bytes: &[u8]) {
    let repaired = || -> Option<Vec<u8>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (body, _) = text.rsplit_once(",\"sha256\":")?;
        let sum = wire::sha256(format!("{body}}}").as_bytes());
        Some(format!("{body},\"sha256\":\"{sum}\"}}").into_bytes())
    };
    for document in std::iter::once(bytes.to_vec()).chain(repaired()) {
        if let Ok(archive) = Archive::decode(&document) {
            use_state(&archive.state);
            let _ = archive.encode();
        }
    }
}

/// A key for every stack, whatever its state says of it.
struct OneKey;

#[async_trait]
impl KeySource for OneKey {
    async fn create(&self, stack: &StackName) -> Result<(KeyHeader, DataKey), StoreError> {
        Err(StoreError::Unsupported { what: format!("a new key for {stack}"), why: "nothing is written here".into() })
    }

    async fn open(&self, _: &StackName, _: &KeyHeader) -> Result<DataKey, StoreError> {
        Ok(DataKey::new(&Zeroizing::new([7; 32])))
    }
}

/// An encrypted value, or a state with such values in it.
pub fn sealed(bytes: &[u8]) {
    let key = DataKey::new(&Zeroizing::new([7; 32]));
    let header = serde_json::json!({
        "id": key.id(),
        "wrap": {"by": "kms", "key": "arn:aws:kms:us-west-2:123456789012:key/k", "ciphertext": ""},
    });
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut state = State::empty("a");
    state.key = serde_json::from_value(header).ok();
    let values: ValueMap = [("a".to_owned(), Value::Sealed(text.clone()))].into();
    let urn = Urn::parse("urn:phx:p:dev:test:net:Vpc:a").expect("a URN");
    state.resources.insert(urn, Record { id: "x".into(), inputs: values.clone(), ..Record::default() });
    state.outputs = values;
    // The same with a good beginning: the text names the key.
    let mut named = state.clone();
    named.outputs.insert("b", Value::Sealed(format!("{}{text}", key.id())));
    let given = serde_json::from_slice::<State>(bytes).ok();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for state in [Some(state), Some(named), given].into_iter().flatten() {
        let (memory, stack) = (MemoryStore::new(), StackName::new("dev").expect("a name"));
        memory.put(&stack, state);
        let store = SealedStore::new(Arc::new(memory), Arc::new(OneKey));
        if let Ok(Some(opened)) = runtime.block_on(store.load(&stack)) {
            let _ = format!("{opened:?}");
        }
    }
}

/// A saved plan.
pub fn saved_plan(bytes: &[u8]) {
    let cut = bytes.windows(9).rposition(|w| w == b"\n  \"sum\": ").unwrap_or(bytes.len());
    let body = bytes[..cut].strip_suffix(b",").unwrap_or(&bytes[..cut]);
    let sum = wire::sha256(body);
    let repaired = [body, b",\n  \"sum\": \"", sum.as_bytes(), b"\"\n}\n"].concat();
    for document in [bytes, &repaired] {
        if let Ok(plan) = SealedPlan::read(document) {
            let _ = plan.key();
            let _ = plan.open(None);
        }
    }
}

/// A stack's file.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let source = ConfigSource { file: "dev.toml".into(), text, reserved: &["aws"] };
    let _ = source.read::<std::collections::BTreeMap<String, toml::Value>>().map_err(|e| e.to_string());
    let _ = source.read::<Typed>().map_err(|e| e.to_string());
    let _ = source.table::<Typed>("aws").map_err(|e| e.to_string());
    let _ = source.mistake(&["network", "cidr"], "no").to_string();
}

/// Some of the types that programs use.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only read
struct Typed {
    network: Option<phx_model::Ipv4Cidr>,
    numbers: Option<Vec<u8>>,
    tags: Option<std::collections::BTreeMap<String, String>>,
    other: Option<Box<Typed>>,
}
