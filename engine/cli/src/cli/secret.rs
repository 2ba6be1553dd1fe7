//! `phx secret`, and where the keys come from that secrets are encrypted with.

use std::io::{IsTerminal, Read as _};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use phx_aws::Aws;
use phx_model::Value;
use phx_model::key::{KeyWrap, check_secret_name};
use phx_model::state::{Entry, OperationId, State};
use phx_model::store::{Holder, Operation, Session, Store, Summary};
use phx_model::urn::StackName;
use phx_state::secret::{Ask, KeySource, Keys, Kms, Passphrase, SealedStore, Zeroizing};
use serde_json::json;

use super::args;
use super::exit::{Exit, Usage};
use super::wiring::{self, Context, env};
use crate::project::Project;
use crate::render::style::clean;

/// The longest value that is read.
const MAX_VALUE: u64 = 1024 * 1024;

/// A store with the keys for its secrets. Nobody is asked for one before it is needed.
pub(super) fn sealed(cx: &Context, project: &Project, store: Arc<dyn Store>) -> anyhow::Result<SealedStore> {
    let kms = kms_key(cx, project)?;
    let for_new = kms.is_some();
    let keys = Keys::none().with_passphrase(passphrase(cx, "PHX_PASSPHRASE", "Passphrase")?);
    Ok(SealedStore::new(store, Arc::new(keys.with_kms(kms_source(project, kms), for_new))))
}

/// The KMS key for new data keys. The sandbox has no KMS: there it is a passphrase whatever is configured.
pub(super) fn kms_key(cx: &Context, project: &Project) -> anyhow::Result<Option<String>> {
    if cx.global.sandbox {
        return Ok(None);
    }
    Ok(env("PHX_KMS_KEY")?.or_else(|| project.kms.clone()))
}

fn kms_source(project: &Project, key: Option<String>) -> Kms {
    let aws = |region: Option<String>| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
        Box::pin(async move { Aws::builder().region(region).build().sdk_config().await.map_err(|e| e.to_string()) })
    };
    Kms::new(project.name.clone(), key, Arc::new(aws))
}

/// A passphrase from a variable, from the file that the variable with `_FILE` names, or else asked for on the terminal.
fn passphrase(cx: &Context, variable: &'static str, prompt: &'static str) -> anyhow::Result<Passphrase> {
    if let Some(text) = env(variable)? {
        return Ok(Passphrase::new(text));
    }
    let in_file = format!("{variable}_FILE");
    if let Some(path) = env(&in_file)? {
        return Ok(Passphrase::asking(move |_, _| {
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{in_file} names {path:?}, and: {e}"))?;
            Ok(Zeroizing::new(without_line_end(&Zeroizing::new(text)).to_owned()))
        }));
    }
    let can_ask = cx.ui.can_ask();
    Ok(Passphrase::asking(move |stack, ask| {
        if !can_ask {
            return Err(format!("a passphrase is needed, {variable} is not set, and there is no terminal to ask on"));
        }
        let read = |prompt: String| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|e| e.to_string());
        let text = read(format!("{prompt} for the secrets of stack {stack}: "))?;
        if ask == Ask::New && *read(format!("{prompt}, once more: "))? != *text {
            return Err("the two passphrases are not the same".to_owned());
        }
        Ok(text)
    }))
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// `phx secret …`
pub(super) async fn secret(cx: &Context, command: &args::Secret) -> anyhow::Result<Exit> {
    if let args::Secret::Set { name, .. } | args::Secret::Get { name } | args::Secret::Rm { name, .. } = command {
        check_secret_name(name).map_err(|e| anyhow!(Usage(e.to_string())))?;
    }
    let project = cx.project()?;
    let (stack, store) = cx.known_stack(&project).await?;
    match command {
        args::Secret::List => list(cx, &stack, store.load(&stack).await?.as_ref())?,
        args::Secret::Get { name } => {
            let state = sealed(cx, &project, store)?.load(&stack).await?;
            get(cx, &stack, name, state.as_ref())?;
        }
        args::Secret::Set { name, waiting } => {
            let value = value(cx, name).await?;
            let value = Value::String(value.as_str().into()).secret();
            let session = open(sealed(cx, &project, store)?, &stack, "secret set", waiting).await?;
            let known = session.state().secrets.get(name) == Some(&value);
            let changed = if known { Ok(()) } else { write(&*session, name, Some(value)).await };
            close(session, changed).await?;
            let did = if known { "already has this value" } else { "is set" };
            told(cx, &stack, name, &format!("The secret {name} of {stack} {did}."), !known)?;
        }
        args::Secret::Rm { name, waiting } => {
            let session = open(sealed(cx, &project, store)?, &stack, "secret rm", waiting).await?;
            let changed = match session.state().secrets.contains_key(name) {
                true => write(&*session, name, None).await,
                false => Err(unknown(&stack, name, Some(session.state()))),
            };
            close(session, changed).await?;
            told(cx, &stack, name, &format!("The secret {name} of {stack} is removed."), true)?;
        }
        args::Secret::Rotate { kms, passphrase } => {
            rotate(cx, &project, &stack, store, kms.as_deref(), *passphrase).await?
        }
    }
    Ok(Exit::Done)
}

fn holder(kind: &str) -> Holder {
    let operation = OperationId(uuid::Uuid::now_v7().simple().to_string());
    Holder { who: wiring::who(), pid: std::process::id(), kind: kind.to_owned(), operation }
}

async fn open(
    store: SealedStore,
    stack: &StackName,
    kind: &str,
    waiting: &args::Waiting,
) -> anyhow::Result<Box<dyn Session>> {
    Ok(store.acquire_waiting(stack, &holder(kind), waiting.wait_lock).await?)
}

/// Writes the change as an operation of its own. With a checkpoint, so that a plan that was saved before is seen to be stale.
async fn write(session: &dyn Session, name: &str, value: Option<Value>) -> anyhow::Result<()> {
    let holder = session.lease().holder.clone();
    let started = Timestamp::now();
    let entries = [
        Entry::Began { operation: holder.operation.clone(), kind: holder.kind.clone(), time: started },
        Entry::Secret { name: name.to_owned(), value },
    ];
    let mut state: State = session.state().clone();
    state.fold(&entries)?;
    session.append(&entries).await?;
    state.serial += 1;
    session.checkpoint(&state).await?;
    let operation = Operation {
        id: holder.operation,
        kind: holder.kind,
        started,
        ended: Timestamp::now(),
        result: "succeeded".to_owned(),
        summary: Summary::default(),
        serial: state.serial,
        who: holder.who,
        program_hash: String::new(),
        pace: None,
    };
    Ok(session.record(&operation).await?)
}

/// Gives the lease back, whatever came of it.
async fn close(session: Box<dyn Session>, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    let released = session.release().await;
    outcome?;
    Ok(released?)
}

fn told(cx: &Context, stack: &StackName, name: &str, text: &str, changed: bool) -> anyhow::Result<()> {
    match cx.ui.json {
        true => cx.ui.answer(&json!({ "stack": stack, "name": name, "changed": changed })),
        false => cx.ui.text(&format!("{text}\n")),
    }
}

fn list(cx: &Context, stack: &StackName, state: Option<&State>) -> anyhow::Result<()> {
    let names: Vec<&phx_model::value::Text> = state.into_iter().flat_map(|s| s.secrets.keys()).collect();
    if cx.ui.json {
        return cx.ui.answer(&json!({ "stack": stack, "secrets": names }));
    }
    if names.is_empty() {
        return cx.ui.text(&format!("The stack {stack} has no configured secrets.\n"));
    }
    cx.ui.text(&names.iter().map(|name| format!("{}\n", clean(name))).collect::<String>())
}

fn unknown(stack: &StackName, name: &str, state: Option<&State>) -> anyhow::Error {
    let names: Vec<&str> = state.into_iter().flat_map(|s| s.secrets.keys()).map(|name| name.as_str()).collect();
    let hint = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    anyhow!("the stack {stack} has no secret {name:?}\n  hint: {hint}")
}

/// Shows one, since this is what was asked for. Text as it is, so that it can be passed on.
fn get(cx: &Context, stack: &StackName, name: &str, state: Option<&State>) -> anyhow::Result<()> {
    let value = state.and_then(|s| s.secrets.get(name)).ok_or_else(|| unknown(stack, name, state))?;
    let plain =
        value.to_plain_json().ok_or_else(|| anyhow!("the secret {name:?} of {stack} could not be decrypted"))?;
    match (cx.ui.json, plain.as_str()) {
        (true, _) => cx.ui.answer(&json!({ "stack": stack, "name": name, "value": plain })),
        (false, Some(text)) => cx.ui.text(&format!("{text}\n")),
        (false, None) => cx.ui.text(&format!("{plain}\n")),
    }
}

/// The value of a secret: from stdin, or asked for without showing it. Never from the command line, where others can read it.
async fn value(cx: &Context, name: &str) -> anyhow::Result<Zeroizing<String>> {
    let (prompt, can_ask) = (format!("Value of the secret {name}: "), cx.ui.can_ask());
    let read = move || -> anyhow::Result<Zeroizing<String>> {
        if std::io::stdin().is_terminal() {
            if !can_ask {
                return Err(anyhow!(Usage("give the value on stdin: phx secret set NAME < FILE".to_owned())));
            }
            return Ok(Zeroizing::new(rpassword::prompt_password(prompt).context("reading the value")?));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        std::io::stdin().lock().take(MAX_VALUE + 1).read_to_end(&mut bytes).context("reading the value from stdin")?;
        if bytes.len() as u64 > MAX_VALUE {
            return Err(anyhow!(
                "the value is longer than {MAX_VALUE} bytes, which is the most that a secret can have"
            ));
        }
        // The error of the conversion would hold the bytes.
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| anyhow!("the value is not valid UTF-8\n  hint: encode it, for example as base64"))?;
        Ok(Zeroizing::new(without_line_end(text).to_owned()))
    };
    let value = tokio::task::spawn_blocking(read).await.context("reading the value")??;
    if value.is_empty() {
        return Err(anyhow!("the value is empty\n  hint: to remove the secret: phx secret rm {name}"));
    }
    Ok(value)
}

/// `phx secret rotate`: by the kind that was asked for, else by the kind that the stack has, else by what is configured.
async fn rotate(
    cx: &Context,
    project: &Project,
    stack: &StackName,
    store: Arc<dyn Store>,
    kms: Option<&str>,
    by_passphrase: bool,
) -> anyhow::Result<()> {
    let present = store.load(stack).await?.and_then(|s| s.key);
    let had_kms = match present.as_ref().map(|key| &key.wrap) {
        Some(KeyWrap::Kms { key, .. }) => Some(key.clone()),
        _ => None,
    };
    let configured = kms_key(cx, project)?;
    let key = match (kms, by_passphrase) {
        (Some(key), _) => Some(key.to_owned()),
        (None, true) => None,
        (None, false) if present.is_some() => had_kms.map(|had| configured.unwrap_or(had)),
        (None, false) => configured,
    };
    let new: Box<dyn KeySource> = match key {
        Some(_) if cx.global.sandbox => {
            return Err(anyhow!(Usage("the sandbox has no KMS; use --passphrase".to_owned())));
        }
        Some(key) => Box::new(kms_source(project, Some(key))),
        // Without a key yet there is no old passphrase that the new one would be mistaken for.
        None if present.is_none() => Box::new(passphrase(cx, "PHX_PASSPHRASE", "Passphrase")?),
        None => Box::new(passphrase(cx, "PHX_NEW_PASSPHRASE", "New passphrase")?),
    };
    let header = sealed(cx, project, store)?.rotate(stack, &holder("secret rotate"), &*new).await?;
    if cx.ui.json {
        return cx.ui.answer(&json!({ "stack": stack, "key": header.id, "by": header.wrap.kind_name() }));
    }
    cx.ui.text(&format!(
        "The secrets of {stack} are encrypted anew with the key {}, wrapped by {}.\n",
        header.id,
        header.wrap.kind_name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_line_end_is_taken_off() {
        for (given, left) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("", ""), (" a ", " a ")] {
            assert_eq!(without_line_end(given), left);
        }
    }
}
