//! What drift came to, for Prometheus: in its text format, in a file or over HTTP.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// One stack, by project and name.
type Labels = (String, String);

/// The metrics, each for every stack.
const FAMILIES: [(&str, &str); 9] = [
    ("phx_drift_resources", "Resources whose object is not as phx left it, at the last look that succeeded."),
    ("phx_drift_checked", "Resources that were compared, at the last look that succeeded."),
    (
        "phx_drift_in_progress",
        "Resources left out since a run is or was at work on them, at the last look that succeeded.",
    ),
    ("phx_drift_orphans", "Objects with the stack's mark that no state knows, at the last look that succeeded."),
    ("phx_drift_last_run_timestamp_seconds", "When the last look began."),
    ("phx_drift_last_success_timestamp_seconds", "When the last look began that succeeded."),
    ("phx_drift_duration_seconds", "How long the last look took."),
    ("phx_drift_api_calls", "How many calls to AWS the last look took."),
    ("phx_drift_error", "Whether the last look failed, wholly or in part."),
];

/// What is known of every stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metrics {
    stacks: BTreeMap<Labels, Stack>,
}

/// What is known of one stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stack {
    /// What the last look that succeeded found.
    pub(super) found: Option<Counts>,
    /// When the last look began.
    pub(super) last_run: f64,
    /// How long it took, in seconds.
    pub(super) duration: f64,
    /// How many calls it took.
    pub(super) api_calls: u64,
    /// It failed.
    pub(super) error: bool,
}

/// What a look that succeeded found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// When it began.
    pub(super) at: f64,
    /// Objects that differ.
    pub(super) changed: u64,
    /// Objects that are not there.
    pub(super) missing: u64,
    /// Resources compared.
    pub(super) checked: u64,
    /// Resources left out.
    pub(super) in_progress: u64,
    /// Orphans, if they were looked for.
    pub(super) orphans: Option<u64>,
}

impl Metrics {
    /// Puts a round's stacks in place of all that was known. Of a stack whose look failed, what was found before is kept.
    pub(super) fn replace(&mut self, stacks: impl IntoIterator<Item = (Labels, Stack)>) {
        let mut before = std::mem::take(&mut self.stacks);
        for (labels, mut stack) in stacks {
            if stack.found.is_none() {
                stack.found = before.remove(&labels).and_then(|old| old.found);
            }
            self.stacks.insert(labels, stack);
        }
    }

    /// Every look failed: what was found before is kept.
    pub(super) fn fail(&mut self) {
        self.stacks.values_mut().for_each(|stack| stack.error = true);
    }

    /// The text format, the same text for the same metrics.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (family, help) in FAMILIES {
            let mut lines = String::new();
            for ((project, stack), known) in &self.stacks {
                let labels = format!("project=\"{}\",stack=\"{}\"", escape(project), escape(stack));
                for (more, value) in known.values(family) {
                    let _ = writeln!(lines, "{family}{{{labels}{more}}} {value}");
                }
            }
            if !lines.is_empty() {
                let _ = write!(text, "# HELP {family} {help}\n# TYPE {family} gauge\n{lines}");
            }
        }
        text
    }

    /// Reads what [`text`](Self::text) wrote. Lines that are none of it are left out: the file is only asked for what was found before.
    pub(super) fn read(text: &str) -> Self {
        let mut metrics = Self::default();
        for (family, labels, value) in text.lines().filter_map(sample) {
            let (Some(project), Some(stack)) = (labels.get("project"), labels.get("stack")) else { continue };
            let stack = metrics.stacks.entry((project.clone(), stack.clone())).or_default();
            stack.set(family, labels.get("kind").map(String::as_str), value);
        }
        // What was never found is known by its time.
        for stack in metrics.stacks.values_mut() {
            stack.found = stack.found.filter(|counts| counts.at > 0.0);
        }
        metrics
    }

    /// What a file holds; nothing if there is none yet.
    pub(super) fn read_file(path: &Path) -> anyhow::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::read(&text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e).with_context(|| format!("reading the metrics in {}", path.display())),
        }
    }

    /// Writes the file in one step: whoever reads it sees the old one or the new one.
    pub(super) fn write_file(&self, path: &Path) -> anyhow::Result<()> {
        let write = || -> std::io::Result<()> {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new().prefix(".phx-drift-").tempfile_in(folder)?;
            file.write_all(self.text().as_bytes())?;
            // The exporter that reads it runs as someone else.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            file.as_file().set_permissions(mode)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().with_context(|| format!("writing the metrics to {}", path.display()))
    }
}

impl Stack {
    /// A family's samples: more labels, and the value.
    #[allow(clippy::cast_precision_loss)] // counts of objects are far from where it matters
    fn values(&self, family: &str) -> Vec<(&'static str, f64)> {
        let one = |value: f64| vec![("", value)];
        let found = |value: fn(&Counts) -> u64| self.found.iter().map(|c| ("", value(c) as f64)).collect();
        match family {
            "phx_drift_resources" => self
                .found
                .iter()
                .flat_map(|c| [(",kind=\"changed\"", c.changed as f64), (",kind=\"missing\"", c.missing as f64)])
                .collect(),
            "phx_drift_checked" => found(|c| c.checked),
            "phx_drift_in_progress" => found(|c| c.in_progress),
            "phx_drift_orphans" => self.found.and_then(|c| c.orphans).map(|n| ("", n as f64)).into_iter().collect(),
            "phx_drift_last_run_timestamp_seconds" => one(self.last_run),
            "phx_drift_last_success_timestamp_seconds" => self.found.map(|c| ("", c.at)).into_iter().collect(),
            "phx_drift_duration_seconds" => one(self.duration),
            "phx_drift_api_calls" => one(self.api_calls as f64),
            _ => one(f64::from(u8::from(self.error))),
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` keeps within the type's range
    fn set(&mut self, family: &str, kind: Option<&str>, value: f64) {
        let counts = self.found.get_or_insert_default();
        match (family, kind) {
            ("phx_drift_resources", Some("changed")) => counts.changed = value as u64,
            ("phx_drift_resources", Some("missing")) => counts.missing = value as u64,
            ("phx_drift_checked", _) => counts.checked = value as u64,
            ("phx_drift_in_progress", _) => counts.in_progress = value as u64,
            ("phx_drift_orphans", _) => counts.orphans = Some(value as u64),
            ("phx_drift_last_success_timestamp_seconds", _) => counts.at = value,
            ("phx_drift_last_run_timestamp_seconds", _) => self.last_run = value,
            ("phx_drift_duration_seconds", _) => self.duration = value,
            ("phx_drift_api_calls", _) => self.api_calls = value as u64,
            ("phx_drift_error", _) => self.error = value != 0.0,
            _ => {}
        }
    }
}

/// A label's value as the text format has it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

/// A line with a sample: its family, labels and value.
fn sample(line: &str) -> Option<(&str, BTreeMap<&str, String>, f64)> {
    let (family, mut rest) = line.split_once('{')?;
    let mut labels = BTreeMap::new();
    loop {
        let (name, value) = rest.split_once("=\"")?;
        let (mut text, mut end, mut escaped) = (String::new(), None, false);
        for (at, c) in value.char_indices() {
            match (escaped, c) {
                (true, 'n') => text.push('\n'),
                (true, c) => text.push(c),
                (false, '\\') => {}
                (false, '"') => {
                    end = Some(at);
                    break;
                }
                (false, c) => text.push(c),
            }
            escaped = !escaped && c == '\\';
        }
        labels.insert(name, text);
        rest = &value[end? + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    Some((family, labels, rest.strip_prefix('}')?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(stack: &str) -> Labels {
        ("phoenix".into(), stack.into())
    }

    fn good(at: f64) -> Stack {
        let found = Counts { at, changed: 2, missing: 1, checked: 40, in_progress: 0, orphans: Some(3) };
        Stack { found: Some(found), last_run: at, duration: 1.25, api_calls: 17, error: false }
    }

    #[test]
    fn the_text_format_is_prometheus_own() {
        let mut metrics = Metrics::default();
        let failed = Stack { last_run: 1_760_000_000.5, duration: 0.5, api_calls: 1, error: true, found: None };
        metrics.replace([(labels("prod"), good(1_760_000_000.5)), (labels("a\"b\\c\n"), failed)]);
        insta::assert_snapshot!(metrics.text(), @r#"
        # HELP phx_drift_resources Resources whose object is not as phx left it, at the last look that succeeded.
        # TYPE phx_drift_resources gauge
        phx_drift_resources{project="phoenix",stack="prod",kind="changed"} 2
        phx_drift_resources{project="phoenix",stack="prod",kind="missing"} 1
        # HELP phx_drift_checked Resources that were compared, at the last look that succeeded.
        # TYPE phx_drift_checked gauge
        phx_drift_checked{project="phoenix",stack="prod"} 40
        # HELP phx_drift_in_progress Resources left out since a run is or was at work on them, at the last look that succeeded.
        # TYPE phx_drift_in_progress gauge
        phx_drift_in_progress{project="phoenix",stack="prod"} 0
        # HELP phx_drift_orphans Objects with the stack's mark that no state knows, at the last look that succeeded.
        # TYPE phx_drift_orphans gauge
        phx_drift_orphans{project="phoenix",stack="prod"} 3
        # HELP phx_drift_last_run_timestamp_seconds When the last look began.
        # TYPE phx_drift_last_run_timestamp_seconds gauge
        phx_drift_last_run_timestamp_seconds{project="phoenix",stack="a\"b\\c\n"} 1760000000.5
        phx_drift_last_run_timestamp_seconds{project="phoenix",stack="prod"} 1760000000.5
        # HELP phx_drift_last_success_timestamp_seconds When the last look began that succeeded.
        # TYPE phx_drift_last_success_timestamp_seconds gauge
        phx_drift_last_success_timestamp_seconds{project="phoenix",stack="prod"} 1760000000.5
        # HELP phx_drift_duration_seconds How long the last look took.
        # TYPE phx_drift_duration_seconds gauge
        phx_drift_duration_seconds{project="phoenix",stack="a\"b\\c\n"} 0.5
        phx_drift_duration_seconds{project="phoenix",stack="prod"} 1.25
        # HELP phx_drift_api_calls How many calls to AWS the last look took.
        # TYPE phx_drift_api_calls gauge
        phx_drift_api_calls{project="phoenix",stack="a\"b\\c\n"} 1
        phx_drift_api_calls{project="phoenix",stack="prod"} 17
        # HELP phx_drift_error Whether the last look failed, wholly or in part.
        # TYPE phx_drift_error gauge
        phx_drift_error{project="phoenix",stack="a\"b\\c\n"} 1
        phx_drift_error{project="phoenix",stack="prod"} 0
        "#);
        assert_eq!(Metrics::read(&metrics.text()), metrics);
    }

    #[test]
    fn a_failed_look_keeps_what_was_found_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("phx.prom");
        let mut metrics = Metrics::read_file(&path).unwrap();
        metrics.replace([(labels("dev"), good(1.0)), (labels("old"), good(1.0))]);
        metrics.write_file(&path).unwrap();

        let mut again = Metrics::read_file(&path).unwrap();
        assert_eq!(again, metrics);
        again.replace([(labels("dev"), Stack { last_run: 9.0, error: true, ..Stack::default() })]);
        let dev = &again.stacks[&labels("dev")];
        assert_eq!((dev.found, dev.last_run, dev.error), (good(1.0).found, 9.0, true));
        assert_eq!(again.stacks.len(), 1, "a stack that is no more is told of no more");
        again.write_file(&path).unwrap();
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["phx.prom"]);
        for odd in ["x", "a{", "a{b=\"", "a{b=\"c\"", "a{b=\"c\"} x", "phx_drift_error{project=\"p\"} 1"] {
            assert_eq!(Metrics::read(odd), Metrics::default(), "{odd}");
        }
    }
}
