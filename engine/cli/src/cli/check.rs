//! `phx check`: whether a program can be what it says, and which permissions it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use phx_aws::Aws;
use phx_aws::permissions::{Grant, LIMIT, Place, Policy, Verb, partition, policies};
use phx_engine::engine::{Engine, Interrupt, RunOptions};
use phx_engine::events::Event;
use phx_engine::graph::Graph;
use phx_engine::inputs;
use phx_model::Program;
use phx_model::state::ProviderKey;
use serde_json::{Value as Json, json};

use super::args::{self, Purpose};
use super::cloud::{self, Cloud};
use super::exit::{Exit, Usage};
use super::interrupt;
use super::secret;
use super::ui::Ui;
use super::wiring::{self, Context, env};
use crate::permissions::{Basis, Operation, for_orphans, for_plan};
use crate::project::{Project, StackSettings};
use crate::render::count;
use crate::render::style::{DIM, ERROR, clean, paint};
use crate::render::table::table;

/// Statements of another making have this in front of their ids.
const OWN: &str = "Phx";

/// `phx check`
pub(crate) async fn check(cx: &Context, args: &args::Check) -> anyhow::Result<Exit> {
    if args.orphans && !matches!(args.operation, Some(Purpose::Drift | Purpose::All)) {
        return Err(anyhow!(Usage(
            "--orphans is for what `drift --orphans` takes\n  hint: give it with --operation drift, or with all".into()
        )));
    }
    let project = cx.project()?;
    let stack = cx.stack(&project)?;
    let (program, cloud) = cx.program(&project, &stack).await?;
    if args.permissions {
        permissions(cx, &project, &stack, cloud, &program, args).await
    } else {
        validate(cx, &stack, &program, cloud.aws.api_calls())
    }
}

/// Says what can be said without a call.
fn validate(cx: &Context, stack: &StackSettings, program: &Program, calls: u64) -> anyhow::Result<Exit> {
    let graph = Graph::new(program)?;
    // Nothing is read or called by making it.
    let registry = wiring::registry(&stack.aws());
    let mut checked = inputs::check(program);
    for declared in &program.resources {
        if registry.get(declared.schema.type_name).is_none() {
            checked.findings.push(inputs::Finding {
                urn: declared.urn.clone(),
                path: String::new(),
                message: format!("this binary has no type {}: its cargo feature is not on", declared.schema.type_name),
            });
        }
    }
    let types: BTreeSet<&str> = program.resources.iter().map(|d| d.schema.type_name).collect();
    let edges: usize = (0..program.resources.len()).map(|at| graph.dependencies(at).len()).sum();
    if cx.ui.json {
        let findings: Vec<Json> =
            checked.findings.iter().map(|f| json!({ "urn": f.urn, "path": f.path, "message": f.message })).collect();
        cx.ui.answer(&json!({
            "stack": program.stack, "configuration": stack.config.file, "resources": program.resources.len(),
            "types": types, "dependencies": edges, "exports": program.exports.len(), "checks": program.checks.len(),
            "literals": checked.literals, "unknown": checked.unknown, "findings": findings, "api_calls": calls,
        }))?;
    }
    let number = |n: usize, one: &str| count(n as u64, one);
    let mut said = format!(
        "{}: {} of {} with {} and {}, from {}\n",
        program.stack,
        number(program.resources.len(), "resource"),
        number(types.len(), "type"),
        // "dependencys" is no word.
        if edges == 1 { "1 dependency".to_owned() } else { format!("{edges} dependencies") },
        number(program.exports.len(), "export"),
        clean(&stack.config.file),
    );
    said.push_str(&format!(
        "  the program is written down, its configuration read, its graph has no circles\n  {} fit their types",
        number(checked.literals, "input"),
    ));
    if checked.unknown > 0 {
        said.push_str(&format!("; {} more depend on what AWS decides or on secrets", checked.unknown));
    }
    said.push('\n');
    for finding in &checked.findings {
        let at = if finding.path.is_empty() { String::new() } else { format!(": {}", finding.path) };
        said.push_str(&format!(
            "{} {}{}: {}\n",
            paint(ERROR, "error:"),
            finding.urn,
            clean(&at),
            clean(&finding.message)
        ));
    }
    let called = match calls {
        0 => "Nothing was called".to_owned(),
        calls => format!("Nothing was called but what the program looks up ({})", count(calls, "API call")),
    };
    let rest = "names that are taken, quotas and permissions show with `preview` and `up`.";
    said.push_str(&paint(DIM, format_args!("{called}: {rest}\n")));
    cx.ui.say(&said);
    if checked.findings.is_empty() { Ok(Exit::Done) } else { Ok(Exit::Error) }
}

/// Prints the policy: the document on stdout, and what is in it for people on stderr.
async fn permissions(
    cx: &Context,
    project: &Project,
    stack: &StackSettings,
    cloud: Cloud,
    program: &Program,
    args: &args::Check,
) -> anyhow::Result<Exit> {
    // Nothing else has been called by now.
    let lookups: BTreeSet<String> = cloud.aws.api_calls_by_operation().into_keys().collect();
    let store = cx.store(project, &stack.name).await?;
    let home = home(stack, &cloud.aws, args.refreshing.refresh).await?;
    let purpose = args.operation.unwrap_or(Purpose::Up);
    let plan = match purpose {
        Purpose::Up | Purpose::Destroy => {
            if args.refreshing.refresh {
                cloud::check_account(&cloud, stack, false).await?;
            }
            let sealed = secret::sealed(cx, project, store.clone())?;
            let engine = Engine::new(
                wiring::registry(&cloud.aws),
                Arc::new(sealed),
                // The policy is all that is to be seen.
                Arc::new(|_: &Event| {}),
                cx.engine_settings(project, None)?,
            );
            let interrupt = Interrupt::new();
            interrupt::listen(&interrupt, false)?;
            let options = RunOptions { refresh: args.refreshing.refresh, interrupt, ..RunOptions::default() };
            Some(match purpose {
                Purpose::Destroy => engine.preview_destroy(&stack.project, &stack.name, &options).await?,
                _ => engine.preview(program, &options).await?,
            })
        }
        Purpose::Drift | Purpose::Verify | Purpose::All => None,
    };
    let state = store.load(&stack.name).await?;
    let basis = Basis {
        program: (purpose != Purpose::Destroy).then_some(program),
        state: state.as_ref(),
        plan: plan.as_ref(),
        lookups: &lookups,
        home: &home,
    };
    let operation = match purpose {
        Purpose::Up => Operation::Up,
        Purpose::Destroy => Operation::Destroy,
        Purpose::Drift => Operation::Drift,
        Purpose::Verify => Operation::Verify,
        Purpose::All => Operation::All,
    };
    let mut grants = for_plan(operation, &basis)?;
    if args.orphans {
        grants.extend(for_orphans(&basis)?);
    }
    let others = statements(cx, project, stack, &home, args.orphans).await?;
    let policies = policies(&grants, home.account.as_deref(), others);
    cloud.close().await?;
    let documents: Vec<&Json> = policies.iter().flat_map(|policy| &policy.documents).collect();
    match documents[..] {
        _ if cx.ui.json => cx.ui.answer(&as_json(&stack.name.to_string(), purpose, &grants, &policies))?,
        // One document is the policy as IAM takes it.
        [one] => cx.ui.answer(one)?,
        ref several => cx.ui.answer(&json!(several))?,
    }
    Ui::note(&summary(stack, purpose, &grants, &policies, &home));
    Ok(Exit::Done)
}

/// The stack's own account and region. Without a refresh AWS is not asked, and nothing is looked for beyond the configuration and the environment.
async fn home(stack: &StackSettings, aws: &Aws, ask: bool) -> anyhow::Result<Place> {
    let region = match (&stack.aws.region, ask) {
        (Some(region), _) => Some(region.clone()),
        (None, true) => Some(aws.region(&ProviderKey::default()).await?),
        (None, false) => env("AWS_REGION")?.or(env("AWS_DEFAULT_REGION")?),
    };
    let account = match (&stack.aws.account_id, ask) {
        (Some(account), _) => Some(account.to_string()),
        (None, true) => Some(aws.account(&ProviderKey::default()).await.map_err(|e| {
            anyhow!(e.hint("with `--refresh=false`, AWS is not asked, and the policy holds for any account"))
        })?),
        (None, false) => None,
    };
    Ok(Place::new(account, region))
}

/// What phx itself needs beside the program's resources: its state, and the key of its secrets. Whether an object is an orphan is asked of the states
/// of `all` the project's stacks.
async fn statements(
    cx: &Context,
    project: &Project,
    stack: &StackSettings,
    home: &Place,
    all: bool,
) -> anyhow::Result<Vec<Json>> {
    let mut found = Vec::new();
    let urls: Vec<String> = match all {
        true => cx.stores(project).await?.into_iter().map(|(url, _)| url).collect(),
        false => vec![cx.store_of(project, &stack.name)?],
    };
    for (at, url) in urls.iter().filter(|url| phx_state::needs_aws(url)).enumerate() {
        let policy: Json = serde_json::from_str(&wiring::open_s3(url, project).await?.policy())
            .context("reading the store's policy")?;
        for mut statement in policy["Statement"].as_array().cloned().unwrap_or_default() {
            // An id stands once in a document.
            if at > 0
                && let Some(sid) = statement["Sid"].as_str().map(|sid| format!("{sid}{}", at + 1))
            {
                statement["Sid"] = sid.into();
            }
            found.push(statement);
        }
    }
    if let Some(key) = secret::kms_key(cx, project)? {
        found.push(key_statement(&key, home));
    }
    Ok(found)
}

/// Wrapping and unwrapping the keys of secrets.
fn key_statement(key: &str, home: &Place) -> Json {
    let (region, account) = (home.region.as_deref().unwrap_or("*"), home.account.as_deref().unwrap_or("*"));
    let arn = |resource: &str| format!("arn:{}:kms:{region}:{account}:{resource}", partition(region));
    let mut statement = json!({
        "Sid": format!("{OWN}SecretsKey"), "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
    });
    match key.split_once("alias/") {
        // A policy cannot name a key by its alias, and can ask for it.
        Some((before, name)) => {
            let same_account = arn("key/*");
            let own = before.strip_suffix(':').filter(|b| b.starts_with("arn:")).map(|b| format!("{b}:key/*"));
            statement["Resource"] = json!(own.unwrap_or(same_account));
            statement["Condition"] =
                json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": format!("alias/{name}") } });
        }
        None if key.starts_with("arn:") => statement["Resource"] = json!(key),
        None => statement["Resource"] = json!(arn(&format!("key/{key}"))),
    }
    statement
}

/// The types with the verbs and the actions that they need.
fn by_type(grants: &BTreeSet<Grant>) -> BTreeMap<&str, (BTreeSet<Verb>, BTreeSet<&str>)> {
    let mut types: BTreeMap<&str, (BTreeSet<Verb>, BTreeSet<&str>)> = BTreeMap::new();
    for grant in grants {
        let (verbs, actions) = types.entry(&grant.type_name).or_default();
        verbs.insert(grant.verb);
        actions.insert(&grant.action);
    }
    types
}

fn characters(document: &Json) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

fn as_json(stack: &str, purpose: Purpose, grants: &BTreeSet<Grant>, policies: &[Policy]) -> Json {
    let policies: Vec<Json> = policies
        .iter()
        .map(|policy| {
            let lengths: Vec<usize> = policy.documents.iter().map(characters).collect();
            json!({ "account": policy.account, "documents": policy.documents, "characters": lengths })
        })
        .collect();
    let types: Vec<Json> = by_type(grants)
        .into_iter()
        .map(|(name, (verbs, actions))| {
            let verbs: Vec<&str> = verbs.into_iter().map(Verb::name).collect();
            json!({ "type": name, "verbs": verbs, "actions": actions })
        })
        .collect();
    let actions: BTreeSet<&str> = grants.iter().map(|grant| grant.action.as_str()).collect();
    json!({
        "stack": stack, "operation": purpose.name(), "actions": actions.len(), "policies": policies, "types": types,
    })
}

/// What is in the policy, for people.
fn summary(
    stack: &StackSettings,
    purpose: Purpose,
    grants: &BTreeSet<Grant>,
    policies: &[Policy],
    home: &Place,
) -> String {
    let actions: BTreeSet<&str> = grants.iter().map(|grant| grant.action.as_str()).collect();
    let types = by_type(grants);
    let mut said = format!(
        "{}, {}: {} for {}\n\n",
        stack.name,
        purpose.name(),
        count(actions.len() as u64, "action"),
        count(types.len() as u64, "type"),
    );
    let rows: Vec<[String; 3]> = types
        .into_iter()
        .map(|(name, (verbs, actions))| {
            let verbs: Vec<&str> = verbs.into_iter().map(Verb::name).collect();
            [name.to_owned(), actions.len().to_string(), verbs.join(", ")]
        })
        .collect();
    said.push_str(&table(["TYPE", "ACTIONS", "TO"], &rows));
    for policy in policies {
        let lengths: Vec<String> = policy.documents.iter().map(|d| characters(d).to_string()).collect();
        let whose = policy.account.as_deref().map(|a| format!("account {a}: ")).unwrap_or_default();
        said.push_str(&format!(
            "\n{whose}{} of {} characters; IAM takes {LIMIT} in one",
            count(policy.documents.len() as u64, "document"),
            lengths.join(", "),
        ));
    }
    said.push('\n');
    if policies.iter().map(|policy| policy.documents.len()).sum::<usize>() > 1 {
        said.push_str(
            "Several documents are printed as a list: make a managed policy of each (`jq '.[0]'`), and attach all of them.\n",
        );
    }
    if home.account.is_none() {
        said.push_str(
            "The account is not known, so the ARNs hold for any: set `account_id` in [aws] of the stack's file.\n",
        );
    }
    if home.region.is_none() {
        said.push_str(
            "The region is not known, so the policy holds for all: set `region` in [aws] of the stack's file.\n",
        );
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_key_is_named_however_it_is_configured() {
        let home = Place::new(Some("123456789012".into()), Some("us-gov-west-1".into()));
        let arn = |rest: &str| format!("arn:aws-us-gov:kms:us-gov-west-1:123456789012:{rest}");
        for (key, resource, alias) in [
            ("alias/phx".to_owned(), arn("key/*"), Some("alias/phx")),
            (arn("alias/phx"), arn("key/*"), Some("alias/phx")),
            ("ab-1".to_owned(), arn("key/ab-1"), None),
            (arn("key/ab-1"), arn("key/ab-1"), None),
        ] {
            let statement = key_statement(&key, &home);
            assert_eq!(statement["Resource"], resource, "{key}");
            let told = &statement["Condition"]["ForAnyValue:StringEquals"]["kms:ResourceAliases"];
            assert_eq!(told.as_str(), alias, "{key}");
        }
    }
}
