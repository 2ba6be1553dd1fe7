//! Hostile and broken input of every kind that phx reads: valid ones with changes, and ones made to do harm. Never a panic, never more memory than in
//! proportion to the input. The entry points are those of the fuzz targets in `state/fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

mod common;
#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub)] // a crate of its own for the fuzz targets
mod entrances;

use common::{entries, operation, record, urn};
use entrances::ENTRANCES;
use jiff::Timestamp;
use phx_model::Value;
use phx_model::state::State;
use phx_model::store::Lease;
use phx_model::urn::{ProjectName, StackName};
use phx_state::archive::Archive;
use phx_state::wire::{self, Chain, Checkpoint, Head};
use proptest::prelude::*;

/// A valid one of each, by the name of its entrance.
fn valid(name: &str) -> Vec<u8> {
    let mut state = State { serial: 3, ..State::empty("0123456789abcdef") };
    state.resources.insert(urn("a"), record("vpc-1"));
    state.resources.insert(urn("b"), record("vpc-2"));
    state.outputs.insert("vpc", Value::List(vec![Value::Int(i64::MIN), Value::Float(1e300), Value::Null]));
    match name {
        "head" => Head::new("0123456789abcdef", 3, 7, &wire::sha256(b"x")).encode().unwrap(),
        "lease" => {
            let (acquired, expires) = (Timestamp::UNIX_EPOCH, Some(Timestamp::UNIX_EPOCH));
            wire::encode_lease(&Lease { holder: common::holder(), generation: 4, acquired, expires }).unwrap()
        }
        "history" => wire::encode_operation(&operation()).unwrap(),
        "checkpoint" => Checkpoint::encode(&state).unwrap().bytes,
        "journal" => {
            let (mut chain, mut lines) = (Chain::start(&wire::sha256(b"")), Vec::new());
            entries().iter().for_each(|entry| chain.encode(1, &wire::entry_text(entry).unwrap(), &mut lines));
            lines
        }
        "archive" => {
            let (project, stack) = (ProjectName::new("demo").unwrap(), StackName::new("dev").unwrap());
            let (exported, by, history) = (Timestamp::UNIX_EPOCH, "me@here".to_owned(), vec![operation()]);
            let bytes = Archive { project, stack, exported, by, state, history }.encode().unwrap();
            assert!(Archive::decode(&bytes).is_ok());
            // In the compact form, which mutations keep their place in.
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let mut fields: Vec<String> = json
                .as_object()
                .unwrap()
                .iter()
                .filter(|(k, _)| *k != "sha256")
                .map(|(k, v)| format!("{k:?}:{v}"))
                .collect();
            fields.push("\"sha256\":\"\"".into());
            format!("{{{}}}", fields.join(",")).into_bytes()
        }
        "sealed" => b"v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_vec(),
        "saved_plan" => {
            let plan = serde_json::json!({
                "format": 1, "kind": "plan", "project": "demo", "stack": "dev", "lineage": "l", "serial": 3, "state": {"hash": "h"},
                "program": "h", "targets": [], "replace": [], "observed": [], "gone": {}, "adoptable": [], "absent": [],
                "plan": {"steps": []}, "digest": "h",
            });
            let text = serde_json::to_string_pretty(&plan).unwrap();
            format!("{},\n  \"sum\": \"{}\"\n}}\n", text.trim_end_matches("\n}"), "0".repeat(64)).into_bytes()
        }
        "config" => b"environment = \"dev\"\nnetwork = \"10.0.0.0/16\"\nnumbers = [1, 2]\n[aws]\nregion = \"x\"\n[tags]\na = \"b\"\n[other.other]\n".to_vec(),
        other => panic!("no valid {other}"),
    }
}

/// Text that is put in the place of other text, or in between.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "-1e999999999",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999999999",
    "0.1e-400",
    "\"\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\u{feff}",
    "{}",
    "[]",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "{\"$phx:sealed\":\"x\"}",
    "{\"$phx:map\":[[\"a\",1],[\"a\",2]]}",
    "{\"$phx:map\":[[[]]]}",
    "{\"$phx:other\":1}",
    "\"format\":2,",
    "\"format\":4294967296,",
    "../../etc/passwd",
    "\n",
    ",",
    "}",
    "]",
    "\"",
];

#[derive(Clone, Debug)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Remove(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Put(prop::sample::Index, prop::sample::Index),
    /// The value after a colon becomes another.
    Value(prop::sample::Index, prop::sample::Index),
}

fn mutations() -> impl Strategy<Value = Mutation> {
    use Mutation::{Cut, Double, Flip, Put, Remove, Value};
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (index(), 1..=255_u8).prop_map(|(at, bits)| Flip(at, bits)),
        1 => index().prop_map(Cut),
        2 => (index(), 1..40_usize).prop_map(|(at, n)| Remove(at, n)),
        2 => (index(), 1..200_usize).prop_map(|(at, n)| Double(at, n)),
        3 => (index(), index()).prop_map(|(at, token)| Put(at, token)),
        6 => (index(), index()).prop_map(|(at, token)| Value(at, token)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match mutation {
        Mutation::Flip(at, bits) => bytes[at.index(len)] ^= bits,
        Mutation::Cut(at) => bytes.truncate(at.index(len)),
        Mutation::Remove(at, n) => {
            let at = at.index(len);
            bytes.drain(at..(at + n).min(len));
        }
        Mutation::Double(at, n) => {
            let at = at.index(len);
            let again = bytes[at..(at + n).min(len)].to_vec();
            bytes.splice(at..at, again);
        }
        Mutation::Put(at, token) => {
            let at = at.index(len);
            bytes.splice(at..at, token.get(TOKENS).bytes());
        }
        Mutation::Value(at, token) => {
            let colons: Vec<usize> =
                (0..len).filter(|&i| bytes[i] == b':' || bytes[i] == b'=').map(|i| i + 1).collect();
            if colons.is_empty() {
                return;
            }
            let from = *at.get(&colons);
            let mut quoted = false;
            let end = bytes[from..].iter().position(|b| {
                quoted ^= *b == b'"';
                !quoted && matches!(b, b',' | b'}' | b']' | b'\n')
            });
            let end = end.map_or(len, |n| from + n);
            bytes.splice(from..end, token.get(TOKENS).bytes());
        }
    }
}

fn config_of(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config_of(1_500))]

    #[test]
    fn what_was_valid_and_is_changed(mutations in prop::collection::vec(mutations(), 1..6)) {
        for (name, entrance) in ENTRANCES {
            let mut bytes = valid(name);
            mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
            entrance(&bytes);
        }
    }

    #[test]
    fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        ENTRANCES.iter().for_each(|(_, entrance)| entrance(&bytes));
    }

    #[test]
    fn tokens_in_any_order(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..60)) {
        let text = tokens.concat();
        ENTRANCES.iter().for_each(|(_, entrance)| entrance(text.as_bytes()));
    }
}

/// The valid ones are valid: otherwise all the rest would test nothing but how the first byte is refused.
#[test]
fn what_is_changed_was_valid() {
    assert!(Head::decode(&valid("head")).is_ok());
    assert!(wire::decode_lease(&valid("lease")).is_ok());
    assert!(wire::decode_operation(&valid("history")).is_ok());
    let checkpoint = valid("checkpoint");
    assert!(Checkpoint::decode(&checkpoint, &wire::sha256(&checkpoint)).is_ok());
    let journal = valid("journal");
    let mut chain = Chain::start(&wire::sha256(b""));
    let lines: Vec<_> = journal.trim_ascii_end().split(|b| *b == b'\n').collect();
    assert!(lines.iter().all(|line| chain.decode(line).is_ok()) && lines.len() == entries().len());
    ENTRANCES.iter().for_each(|(name, entrance)| entrance(&valid(name)));
}

/// Made to do harm, each a few megabytes at most: what reads them takes about as much.
#[test]
fn what_is_made_to_do_harm() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(1 << 17), close.repeat(1 << 17));
    let inside = |text: &str| {
        [
            text.to_owned(),
            format!("{{\"format\":1,\"lineage\":{text}}}"),
            format!("{{\"format\":1,\"seq\":1,\"generation\":1,\"entry\":{text}}}"),
            format!(
                "{{\"format\":1,\"seq\":1,\"generation\":1,\"entry\":{{\"outputs\":{{\"outputs\":{{\"a\":{text}}}}}}}}}"
            ),
            format!("{{\"format\":1,\"lineage\":\"l\",\"serial\":1,\"resources\":{{}},\"outputs\":{{\"a\":{text}}}}}"),
            format!("a = {text}"),
        ]
    };
    let pairs: String = (0..50_000).map(|i| format!("[\"{i}\",{i}],")).collect();
    for text in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("{\"$phx:map\":[[\"a\",", "]]}"),
        "[".repeat(1 << 17),
        "{\"a\":".repeat(1 << 17),
        "a.".repeat(1 << 16),
        "[a]\n".repeat(1 << 16),
        "[[a]]\n".repeat(1 << 16),
        "a = { b = ".repeat(1 << 14),
        "9".repeat(1 << 17),
        format!("1e{}", "9".repeat(1 << 16)),
        format!("\"{}\"", "\\u0000".repeat(1 << 16)),
        format!("\"{}\"", "x".repeat(1 << 20)),
        format!("{{\"$phx:map\":[{}]}}", pairs.trim_end_matches(',')),
        "\n".repeat(1 << 17),
        "\u{0}".repeat(1 << 17),
    ] {
        for text in inside(&text) {
            for (name, entrance) in ENTRANCES {
                let began = std::time::Instant::now();
                entrance(text.as_bytes());
                let took = began.elapsed();
                // A hundred times what it takes; whatever grows with the square would take longer.
                assert!(
                    took.as_secs() < 60,
                    "{name} took {took:?} for {} bytes of {}",
                    text.len(),
                    text.chars().take(40).collect::<String>()
                );
            }
        }
    }
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(most < 512 * 1024, "it took {most} KiB of memory");
    }
}

/// A state may ask for any cost of making its key; not any is paid.
#[tokio::test]
async fn a_key_that_would_cost_too_much_is_refused() {
    use phx_state::secret::{KeySource, Passphrase};
    for (m_kib, t, p) in [(u32::MAX, 1, 1), (8, u32::MAX, 1), (8, 1, u32::MAX), (0, 0, 0)] {
        let header = serde_json::json!({
            "id": "0123456789abcdef",
            "wrap": {"by": "passphrase", "salt": "AAAAAAAAAAAAAAAAAAAAAA==", "m_kib": m_kib, "t": t, "p": p, "sealed": "AAAA"},
        });
        let header = serde_json::from_value(header).unwrap();
        let source = Passphrase::new("correct horse".to_owned());
        let error = source.open(&StackName::new("dev").unwrap(), &header).await.map(drop).unwrap_err().to_string();
        let why = if m_kib == 0 { "memory cost is too small" } else { "the most that phx spends" };
        assert!(error.contains(why), "{m_kib} {t} {p}: {error}");
    }
}
