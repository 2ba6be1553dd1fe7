//! The stored forms and their versions, in one place for every store. `state/FORMATS.md` describes them for people.
//!
//! A stored line (head, lease, journal entry, finished operation) is one JSON object that begins with its `format` and ends
//! with a `sum` over all the bytes before it, so that any changed byte is found. A journal line's sum is also over the sum of the
//! line before it, and the first line's over the checkpoint that it follows: a line cannot be lost, moved or taken from elsewhere
//! unnoticed. A checkpoint has no sum inside; the SHA-256 of its bytes is its name.
//!
//! Whoever reads goes through [`Unreadable`]: newer than known, or damaged. A store adds which file it was.

use jiff::Timestamp;
use phx_model::state::{Entry, FORMAT, State};
use phx_model::store::{Holder, Lease, Operation, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest head or lease that is read.
pub const MAX_SMALL: u64 = 64 * 1024;
/// The longest line of a journal or history that is written or read.
pub const MAX_LINE: u64 = 16 * 1024 * 1024;
/// The largest checkpoint that is written or read.
pub const MAX_CHECKPOINT: u64 = 1024 * 1024 * 1024;
/// How deeply the JSON of an entry may be nested. The reader's limit is 127; what lies between leaves room for an entry
/// that is accepted to be folded into a checkpoint, which is nested deeper.
const MAX_ENTRY_DEPTH: usize = 100;
/// The same for a checkpoint.
const MAX_CHECKPOINT_DEPTH: usize = 120;

/// Why stored bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Their format is newer than [`FORMAT`].
    Newer(u64),
    /// They are not what was written, and how that shows.
    Damaged(String),
}

impl Unreadable {
    /// The error for people: `what` says which file and line, `hint` what to do about damage.
    pub fn at(self, what: impl Into<String>, hint: impl Into<String>) -> StoreError {
        let what = what.into();
        match self {
            Self::Newer(found) => StoreError::Newer { what, found, known: FORMAT },
            Self::Damaged(why) => StoreError::Damaged { what, why, hint: hint.into() },
        }
    }
}

/// The name of a stack's present: which checkpoint, and which journal follows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of this form.
    pub format: u32,
    /// The stack's lineage, as the checkpoint has it.
    pub lineage: String,
    /// The checkpoint's serial.
    pub serial: u64,
    /// The generation of the lease under which it was written.
    pub generation: u64,
    /// The checkpoint: SHA-256 in hexadecimal.
    pub checkpoint: String,
    /// The journal: [`journal_name`] of the serial.
    pub journal: String,
}

/// The name of the journal that follows the checkpoint of this serial.
pub fn journal_name(serial: u64) -> String {
    format!("journal-{serial}.jsonl")
}

impl Head {
    /// The head for a checkpoint.
    pub fn new(lineage: &str, serial: u64, generation: u64, checkpoint: &str) -> Self {
        Self {
            format: FORMAT,
            lineage: lineage.to_owned(),
            serial,
            generation,
            checkpoint: checkpoint.to_owned(),
            journal: journal_name(serial),
        }
    }

    /// The stored form.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        encode_line(self, "the head")
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let head: Self = decode_line(bytes)?;
        known(head.format)?;
        // The names lead to files, so nothing but what phx writes is let through.
        if !is_sha256(&head.checkpoint) || head.journal != journal_name(head.serial) {
            return Err(Unreadable::Damaged("it does not name a checkpoint and the journal after it".into()));
        }
        Ok(head)
    }
}

#[derive(Serialize, Deserialize)]
struct StoredLease {
    format: u32,
    generation: u64,
    acquired: Timestamp,
    expires: Option<Timestamp>,
    holder: Holder,
}

/// The stored form of a lease.
pub fn encode_lease(lease: &Lease) -> Result<Vec<u8>, StoreError> {
    let stored = StoredLease {
        format: FORMAT,
        generation: lease.generation,
        acquired: lease.acquired,
        expires: lease.expires,
        holder: lease.holder.clone(),
    };
    encode_line(&stored, "the lease")
}

/// Reads a stored lease.
pub fn decode_lease(bytes: &[u8]) -> Result<Lease, Unreadable> {
    let stored: StoredLease = decode_line(bytes)?;
    known(stored.format)?;
    let StoredLease { generation, acquired, expires, holder, .. } = stored;
    Ok(Lease { holder, generation, acquired, expires })
}

#[derive(Serialize, Deserialize)]
struct StoredOperation<T> {
    format: u32,
    operation: T,
}

/// The stored form of a finished operation: one line of the history, with its end of line.
pub fn encode_operation(operation: &Operation) -> Result<Vec<u8>, StoreError> {
    encode_line(&StoredOperation { format: FORMAT, operation }, &format!("operation {}", operation.id.0))
}

/// Reads one line of the history.
pub fn decode_operation(line: &[u8]) -> Result<Operation, Unreadable> {
    let stored: StoredOperation<Operation> = decode_line(line)?;
    known(stored.format)?;
    Ok(stored.operation)
}

/// A checkpoint as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// SHA-256 of the bytes in hexadecimal.
    pub sha256: String,
    /// Compact JSON.
    pub bytes: Vec<u8>,
}

impl Checkpoint {
    /// The stored form of a state. Fails, naming the resource, if something in it has no stored form (a secret that is not sealed).
    pub fn encode(state: &State) -> Result<Self, StoreError> {
        let what = || format!("checkpoint {}", state.serial);
        if state.format != FORMAT {
            let why = format!("its format is {}, and this phx writes {FORMAT}", state.format);
            return Err(StoreError::Unwritable { what: what(), why });
        }
        let bytes = serde_json::to_vec(state).map_err(|e| StoreError::Unwritable {
            what: match culprit(state) {
                Some(name) => format!("{} with {name}", what()),
                None => what(),
            },
            why: e.to_string(),
        })?;
        fits(&bytes, MAX_CHECKPOINT, MAX_CHECKPOINT_DEPTH)
            .map_err(|why| StoreError::Unwritable { what: what(), why })?;
        Ok(Self { sha256: sha256(&bytes), bytes })
    }

    /// Reads stored bytes whose name is `sha256`.
    pub fn decode(bytes: &[u8], sha256: &str) -> Result<State, Unreadable> {
        let found = self::sha256(bytes);
        if found != sha256 {
            return Err(newer_or(bytes, format!("its SHA-256 is {found}, and should be {sha256}")));
        }
        let state: State =
            serde_json::from_slice(bytes).map_err(|e| newer_or(bytes, format!("it is not a checkpoint: {e}")))?;
        known(state.format)?;
        Ok(migrated(state))
    }
}

/// How much of a checkpoint [`peek_serial`] wants to see.
pub const PEEK: u64 = 4096;

/// The serial that a checkpoint claims, from its first [`PEEK`] bytes. Good for putting checkpoints in order, without reading and
/// verifying them all; not for believing one.
pub fn peek_serial(beginning: &[u8]) -> Option<u64> {
    // A state's first fields are its format, lineage and serial. A quote inside of the lineage would be escaped, so this is the key.
    let key = br#","serial":"#;
    let at = beginning.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = beginning[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&beginning[at..at + digits]).ok()?.parse().ok()
}

/// Refuses a state of another stack as the next checkpoint.
pub fn same_lineage(lineage: &str, state: &State) -> Result<(), StoreError> {
    if state.lineage == lineage {
        return Ok(());
    }
    Err(StoreError::Unwritable {
        what: format!("checkpoint {}", state.serial),
        why: format!(
            "it is of lineage {}, and the stack is of lineage {lineage}: it is another stack's state",
            state.lineage
        ),
    })
}

/// Refuses a checkpoint that does not follow the last one.
pub fn next_serial(last: u64, serial: u64) -> Result<(), StoreError> {
    if Some(serial) == last.checked_add(1) {
        return Ok(());
    }
    let why = format!("the last one is {last}, so {} comes next", last.saturating_add(1));
    Err(StoreError::Unwritable { what: format!("checkpoint {serial}"), why })
}

/// Which part of a state has no stored form.
fn culprit(state: &State) -> Option<String> {
    let bad = |part: serde_json::Result<String>| part.is_err();
    let resource = state.resources.iter().find(|(_, r)| bad(serde_json::to_string(r))).map(|(urn, _)| urn);
    let deposed = || state.deposed.iter().find(|d| bad(serde_json::to_string(d))).map(|d| &d.urn);
    let open = || state.open.values().find(|i| bad(serde_json::to_string(i))).map(|i| &i.urn);
    let output = || state.outputs.iter().find(|(_, v)| bad(serde_json::to_string(v))).map(|(name, _)| name);
    resource
        .or_else(deposed)
        .or_else(open)
        .map(ToString::to_string)
        .or_else(|| output().map(|name| format!("output {name:?}")))
}

/// The JSON of a journal entry. Fails, naming the resource, if something in it has no stored form.
pub fn entry_text(entry: &Entry) -> Result<String, StoreError> {
    let unwritable = |why: String| StoreError::Unwritable { what: describe(entry), why };
    let text = serde_json::to_string(entry).map_err(|e| unwritable(e.to_string()))?;
    // Room for what a line has around its entry.
    fits(text.as_bytes(), MAX_LINE - 1024, MAX_ENTRY_DEPTH).map_err(unwritable)?;
    Ok(text)
}

fn describe(entry: &Entry) -> String {
    match entry {
        Entry::Began { operation, .. } => format!("the beginning of operation {}", operation.0),
        Entry::Intent(intent) => format!("the intent to {} {}", intent.change.verb(), intent.urn),
        Entry::Done { intent, .. } => format!("the result of intent {intent}"),
        Entry::Recorded { urn, .. } => format!("the record of {urn}"),
        Entry::Forgotten { urn, .. } => format!("the forgetting of {urn}"),
        Entry::Renamed { from, .. } => format!("the renaming of {from}"),
        Entry::Outputs { .. } => "the stack's outputs".to_owned(),
        Entry::Moved { from, .. } => format!("the renaming of {from}"),
        Entry::Key { header } => format!("the key {}", header.id),
        Entry::Secret { name, .. } => format!("the secret {name:?}"),
        Entry::Took { .. } => "how long the run's steps took".to_owned(),
        Entry::Provider { key, .. } => format!("what the place {:?} is", key.0),
    }
}

/// How far a journal has got: what its next line has to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    sum: String,
    /// The number of the last line; the first is 1.
    pub seq: u64,
    /// The lease generation of the last line.
    pub generation: u64,
}

#[derive(Deserialize)]
struct StoredEntry {
    format: u32,
    seq: u64,
    generation: u64,
    entry: Entry,
}

impl Chain {
    /// Before the first line of the journal that follows a checkpoint.
    pub fn start(checkpoint: &str) -> Self {
        Self { sum: checkpoint.to_owned(), seq: 0, generation: 0 }
    }

    /// Adds the next line, with its end of line, to `out`. `entry` is an [`entry_text`].
    pub fn encode(&mut self, generation: u64, entry: &str, out: &mut Vec<u8>) {
        self.seq += 1;
        self.generation = generation;
        let body = format!(r#"{{"format":{FORMAT},"seq":{},"generation":{generation},"entry":{entry}"#, self.seq);
        self.sum = sum(&self.sum, body.as_bytes());
        seal(&body, &self.sum, out);
    }

    /// Reads the next line, without its end of line. After an error the chain is as it was.
    pub fn decode(&mut self, line: &[u8]) -> Result<Entry, Unreadable> {
        let sum = unseal(&self.sum, line)?;
        let stored: StoredEntry =
            serde_json::from_slice(line).map_err(|e| newer_or(line, format!("it is not an entry: {e}")))?;
        known(stored.format)?;
        if stored.seq != self.seq.saturating_add(1) {
            return Err(Unreadable::Damaged(format!("its number is {}, after {}", stored.seq, self.seq)));
        }
        if stored.generation < self.generation {
            let why = format!("it was written under lease {}, after lease {}", stored.generation, self.generation);
            return Err(Unreadable::Damaged(why));
        }
        *self = Self { sum, seq: stored.seq, generation: stored.generation };
        Ok(stored.entry)
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether the text is a SHA-256 as [`sha256`] writes it.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

const SUM_KEY: &str = r#","sum":""#;
const SUM_LEN: usize = 32;
const SUM_END: &str = r#""}"#;

/// 128 bits of SHA-256: enough against accidents, which is what it is for, and short in every line.
fn sum(previous: &str, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(previous).chain_update("\n").chain_update(body).finalize();
    hex::encode(&digest[..SUM_LEN / 2])
}

/// `body` is an object without its closing brace.
fn seal(body: &str, sum: &str, out: &mut Vec<u8>) {
    out.reserve(body.len() + SUM_KEY.len() + SUM_LEN + SUM_END.len() + 1);
    for part in [body, SUM_KEY, sum, SUM_END, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Checks a line without its end and gives its sum.
fn unseal(previous: &str, line: &[u8]) -> Result<String, Unreadable> {
    let cut = line.len().checked_sub(SUM_KEY.len() + SUM_LEN + SUM_END.len());
    let Some((body, rest)) = cut.and_then(|cut| line.split_at_checked(cut)) else {
        return Err(newer_or(line, "it is too short".into()));
    };
    let sum = sum(previous, body);
    let expected = [SUM_KEY, &sum, SUM_END].concat();
    if rest == expected.as_bytes() {
        Ok(sum)
    } else {
        Err(newer_or(line, "its checksum does not match what it says".into()))
    }
}

fn encode_line<T: Serialize>(object: &T, what: &str) -> Result<Vec<u8>, StoreError> {
    let unwritable = |why: String| StoreError::Unwritable { what: what.to_owned(), why };
    let text = serde_json::to_string(object).map_err(|e| unwritable(e.to_string()))?;
    let body = text.strip_suffix('}').ok_or_else(|| unwritable("it is not an object".into()))?;
    fits(text.as_bytes(), MAX_SMALL - 1024, MAX_ENTRY_DEPTH).map_err(unwritable)?;
    let mut out = Vec::new();
    seal(body, &sum("", body.as_bytes()), &mut out);
    Ok(out)
}

fn decode_line<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let Some(line) = bytes.strip_suffix(b"\n") else {
        return Err(newer_or(bytes, "its end is missing".into()));
    };
    unseal("", line)?;
    serde_json::from_slice(line).map_err(|e| newer_or(line, format!("it does not have the form it should: {e}")))
}

fn known(format: u32) -> Result<(), Unreadable> {
    match format {
        1..=FORMAT => Ok(()),
        0 => Err(Unreadable::Damaged("its format is 0, which there never was".into())),
        newer => Err(Unreadable::Newer(newer.into())),
    }
}

/// A state of an earlier format in the present one. Format 2 has more fields than format 1 and no other ones, and what is left out of one is the
/// same in both.
pub(crate) fn migrated(state: State) -> State {
    State { format: FORMAT, ..state }
}

/// Bytes that do not read as they should may be of a newer format, whatever else that format has changed: it still says so itself.
fn newer_or(bytes: &[u8], why: String) -> Unreadable {
    #[derive(Deserialize)]
    struct Probe {
        format: u64,
    }
    match serde_json::from_slice::<Probe>(bytes) {
        Ok(Probe { format }) if format > u64::from(FORMAT) => Unreadable::Newer(format),
        _ => Unreadable::Damaged(why),
    }
}

/// What is written must also be readable: neither longer nor nested deeper than a reader accepts.
fn fits(json: &[u8], longest: u64, deepest: usize) -> Result<(), String> {
    if json.len() as u64 > longest {
        return Err(format!("it has {} bytes, and {longest} is the most", json.len()));
    }
    let depth = depth(json);
    if depth > deepest {
        return Err(format!("its values are nested {depth} deep, and {deepest} is the most"));
    }
    Ok(())
}

/// How deeply JSON text is nested.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use phx_model::Value;
    use phx_model::state::OperationId;

    use super::*;

    fn head() -> Head {
        Head::new("l", 3, 7, &sha256(b"x"))
    }

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]))
    }

    #[test]
    fn a_head_is_read_back_and_any_changed_byte_is_found() {
        let bytes = head().encode().unwrap();
        assert_eq!(Head::decode(&bytes).unwrap(), head());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(Head::decode(&bad).is_err(), "bit {bit} of byte {at}");
            }
            assert!(Head::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_format_says_so_even_if_nothing_else_is_as_expected() {
        for text in [r#"{"format":3}"#, r#"{"x":[1],"format":4294967297,"sum":0}"#] {
            assert!(matches!(Head::decode(text.as_bytes()), Err(Unreadable::Newer(_))), "{text}");
            assert!(matches!(Checkpoint::decode(text.as_bytes(), ""), Err(Unreadable::Newer(_))), "{text}");
            assert!(matches!(Chain::start("").decode(text.as_bytes()), Err(Unreadable::Newer(_))), "{text}");
        }
        let old = Head { format: 0, ..head() }.encode().unwrap();
        assert!(matches!(Head::decode(&old), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn a_head_cannot_lead_out_of_its_folder() {
        let away = Head { journal: "../../etc/passwd".into(), ..head() }.encode().unwrap();
        assert!(matches!(Head::decode(&away), Err(Unreadable::Damaged(_))));
        let away = Head { checkpoint: "../x".into(), ..head() }.encode().unwrap();
        assert!(matches!(Head::decode(&away), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn a_journal_line_follows_only_the_line_it_was_written_after() {
        let entry = Entry::Outputs { outputs: [("a".to_owned(), Value::Int(1))].into() };
        let text = entry_text(&entry).unwrap();
        let mut out = Vec::new();
        let mut chain = Chain::start("c");
        chain.encode(1, &text, &mut out);
        chain.encode(2, &text, &mut out);
        let lines: Vec<&[u8]> = out.trim_ascii_end().split(|b| *b == b'\n').collect();
        let mut reader = Chain::start("c");
        assert!(reader.decode(lines[1]).is_err());
        assert_eq!(reader.decode(lines[0]).unwrap(), entry);
        assert!(reader.decode(lines[0]).is_err());
        assert_eq!(reader.decode(lines[1]).unwrap(), entry);
        assert_eq!(reader, chain);
        assert!(Chain::start("d").decode(lines[0]).is_err());
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let entry = |depth| Entry::Outputs { outputs: [("a".to_owned(), nested(depth))].into() };
        let mut line = Vec::new();
        Chain::start("c").encode(1, &entry_text(&entry(98)).unwrap(), &mut line);
        assert_eq!(Chain::start("c").decode(line.trim_ascii_end()).unwrap(), entry(98));
        for depth in [99, 200, 1_000] {
            assert!(matches!(entry_text(&entry(depth)), Err(StoreError::Unwritable { .. })), "{depth}");
        }
        let long = Entry::Outputs { outputs: [("a".to_owned(), Value::String("x".repeat(17 << 20).into()))].into() };
        assert!(matches!(entry_text(&long), Err(StoreError::Unwritable { .. })));

        let mut state = State::empty("l");
        state.outputs.insert("a", nested(98));
        let checkpoint = Checkpoint::encode(&state).unwrap();
        assert_eq!(Checkpoint::decode(&checkpoint.bytes, &checkpoint.sha256).unwrap(), state);
    }

    #[test]
    fn deep_nesting_from_elsewhere_is_refused_without_a_crash() {
        let text = format!(r#"{{"format":1,"lineage":{}"#, "[".repeat(1_000_000));
        assert!(matches!(Checkpoint::decode(text.as_bytes(), &sha256(text.as_bytes())), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn a_secret_is_refused_and_its_resource_named() {
        let secret = Value::String("hunter2".into()).secret();
        let urn = phx_model::Urn::parse("urn:phx:p:s:test:net:Vpc:a").unwrap();
        let mut state = State::empty("l");
        let mut record: phx_model::state::Record = serde_json::from_str(r#"{"id":"x"}"#).unwrap();
        record.inputs.insert("key", secret);
        state.resources.insert(urn.clone(), record.clone());
        let error = Checkpoint::encode(&state).unwrap_err().to_string();
        assert!(error.contains(urn.as_str()) && !error.contains("hunter2"), "{error}");
        let error =
            entry_text(&Entry::Recorded { urn: urn.clone(), record: Box::new(record) }).unwrap_err().to_string();
        assert!(error.contains(urn.as_str()) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn leases_and_operations_are_read_back() {
        let operation = OperationId("op".into());
        let holder = Holder { who: "me@here".into(), pid: 1, kind: "up".into(), operation: operation.clone() };
        let lease = Lease { holder, generation: 4, acquired: Timestamp::UNIX_EPOCH, expires: None };
        assert_eq!(decode_lease(&encode_lease(&lease).unwrap()).unwrap(), lease);
        let operation = Operation {
            id: operation,
            kind: "up".into(),
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            result: "succeeded".into(),
            summary: Default::default(),
            serial: 2,
            who: "me@here".into(),
            program_hash: "h".into(),
            pace: None,
        };
        assert_eq!(decode_operation(&encode_operation(&operation).unwrap()).unwrap(), operation);
    }

    #[test]
    fn the_serial_can_be_seen_from_the_beginning() {
        let state = State { serial: 42, ..State::empty("l,\"serial\":7") };
        let bytes = Checkpoint::encode(&state).unwrap().bytes;
        assert_eq!(peek_serial(&bytes), Some(42));
        for len in 0..bytes.len() {
            assert!(matches!(peek_serial(&bytes[..len]), None | Some(4 | 42)));
        }
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        assert_eq!(depth(br#"{"[[[":["\"[["]}"#), 2);
        assert_eq!(depth(b"1"), 0);
    }
}
