//! [`ManagedPrefixList`].
//!
//! No emulator keeps a list on its way, counts its entries against `max_entries` or checks its version; those parts follow the service
//! model alone.

use std::collections::BTreeMap;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{AddPrefixListEntry, RemovePrefixListEntry, ResourceType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{Block, CloudError, Outputs, Resource};

use super::describe::{self, by};
use super::route::{canonical, canonical_range};
use super::{Ec2, PrefixListId, once_free, tagging};
use crate::arn::Arn;
use crate::batch::{align, each, pages};
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// So many entries a call may add, and so many it may remove.
const ENTRIES_PER_CALL: usize = 100;

/// A named set of address ranges for routes and rules of security groups to refer to.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateManagedPrefixList.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:ManagedPrefixList",
    terraform = "aws_ec2_managed_prefix_list",
    cloudformation = "AWS::EC2::PrefixList",
    identity = IntentTag
)]
pub struct ManagedPrefixList {
    /// Its name, up to 255 characters. It cannot begin with `com.amazonaws`.
    pub prefix_list_name: Input<String>,
    /// `IPv4` or `IPv6`.
    #[field(replace)]
    pub address_family: Input<String>,
    /// How many entries it can have. What refers to the list counts as so many rules or routes, whatever is in it.
    pub max_entries: Input<i32>,
    /// What is in it. A change is made by what it adds and removes, and makes a new version of the list.
    #[field(set)]
    pub entries: Option<Input<Vec<PrefixListEntry>>>,
    /// Its tags.
    pub tags: Tags,
}

/// A range in a prefix list.
#[derive(Clone, Debug, Block)]
pub struct PrefixListEntry {
    /// The range, without bits set to the right of its prefix: `10.0.0.0/8`.
    #[field(normalize = canonical_range)]
    pub cidr: Input<String>,
    /// What it is, up to 255 characters.
    pub description: Option<Input<String>>,
}

/// What AWS decides of a [`ManagedPrefixList`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ManagedPrefixListOutputs {
    /// Its id.
    pub id: PrefixListId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
    /// Its version: how often its entries changed.
    #[output(volatile)]
    pub version: Option<i64>,
}

impl Manage for ManagedPrefixList {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        let lists = describe::managed_prefix_lists(ec2, by("prefix-list-id", targets.iter().map(|t| t.id))).await?;
        let mut found = align(targets, lists, |list| list.prefix_list_id(), |_, list| present(list));
        // Entries take a call for each list.
        let asked: Vec<(usize, &str)> = targets
            .iter()
            .enumerate()
            .filter(|(at, target)| target.wants("entries") && matches!(found[*at], Found::Present { .. }))
            .map(|(at, target)| (at, target.id))
            .collect();
        for (at, answer) in each(asked, |(at, id)| async move { Ok((at, entries(ec2, id).await)) }).await? {
            match (answer, &mut found[at]) {
                (Ok(entries), Found::Present { fields, .. }) => fields.entries = from_sdk(entries),
                // It went away between two calls.
                (Err(error), slot) if error.kind == ErrorKind::NotFound => *slot = Found::Gone,
                (Err(error), slot) => *slot = Found::Failed(error),
                (Ok(_), _) => {}
            }
        }
        Ok(found)
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &ManagedPrefixListResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let (first, _) = halves(want);
        let request = ec2
            .create_managed_prefix_list()
            .client_token(client_token(intent))
            .prefix_list_name(&want.prefix_list_name)
            .address_family(&want.address_family)
            .max_entries(want.max_entries)
            .set_entries(Some(first.iter().map(added).collect()).filter(|entries: &Vec<_>| !entries.is_empty()))
            .tag_specifications(tagging::specification(ResourceType::PrefixList, &want.tags, intent));
        let answer = ec2.write("CreateManagedPrefixList", || request.clone().send()).await?;
        let made = answer.prefix_list.as_ref().and_then(made);
        made.ok_or_else(|| ec2.unexpected("CreateManagedPrefixList", "the answer names no list"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ManagedPrefixListResolved,
    ) -> Result<Option<ManagedPrefixListOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let mut list = settled(&ec2, cx, id).await?;
        if !halves(want).1.is_empty() {
            list = set_entries(&ec2, cx, list, want).await?;
        }
        Ok(outputs(&list))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ManagedPrefixListResolved,
        change: &ManagedPrefixListChange,
    ) -> Result<Option<ManagedPrefixListOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let mut list = settled(&ec2, cx, id).await?;
        if change.prefix_list_name.is_some() {
            let request = ec2.modify_managed_prefix_list().prefix_list_id(id).prefix_list_name(&want.prefix_list_name);
            ec2.write_idempotent("ModifyManagedPrefixList", || request.clone().send()).await?;
            list = settled(&ec2, cx, id).await?;
        }
        // Room is made before entries come, and taken away after they went.
        let more = list.max_entries().is_none_or(|now| want.max_entries > now);
        if change.max_entries.is_some() && more {
            list = resize(&ec2, cx, id, want.max_entries).await?;
        }
        if change.entries.is_some() {
            list = set_entries(&ec2, cx, list, want).await?;
        }
        if change.max_entries.is_some() && !more {
            list = resize(&ec2, cx, id, want.max_entries).await?;
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(outputs(&list))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&ManagedPrefixListResolved>) -> Result<(), CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        if one(ec2, id).await?.as_ref().is_none_or(|list| state(list) == "delete-complete") {
            return Ok(());
        }
        let request = ec2.delete_managed_prefix_list().prefix_list_id(id);
        once_free(cx, || ec2.write_idempotent("DeleteManagedPrefixList", || request.clone().send())).await?;
        until(cx, &format!("prefix list {id}"), || async move {
            let Some(list) = one(ec2, id).await? else { return Ok(Stage::Ready(())) };
            match state(&list) {
                "delete-complete" => Ok(Stage::Ready(())),
                "delete-failed" => {
                    Err(failed(&list)
                        .hint("routes, security groups or shares with other accounts may still refer to it"))
                }
                state => Ok(Stage::Waiting(state.to_owned())),
            }
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &ManagedPrefixListResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // This call has no filter for tags: of one's own lists the one with the mark is picked.
        let account = aws.account(&cx.provider).await?;
        let lists = describe::managed_prefix_lists(&ec2, by("owner-id", [account.as_str()])).await?;
        let mine = lists.iter().find(|list| tagging::has_intent(list.tags(), intent) && !is_over(state(list)));
        Ok(mine.and_then(made))
    }
}

fn state(list: &sdk::ManagedPrefixList) -> &str {
    list.state().map_or("in no state", sdk::PrefixListState::as_str)
}

fn is_over(state: &str) -> bool {
    matches!(state, "delete-in-progress" | "delete-complete" | "create-failed")
}

fn outputs(list: &sdk::ManagedPrefixList) -> Option<ManagedPrefixListOutputs> {
    Some(ManagedPrefixListOutputs {
        id: PrefixListId::new(list.prefix_list_id()?),
        arn: list.prefix_list_arn().map(Arn::new),
        owner_id: list.owner_id.clone(),
        version: list.version(),
    })
}

fn made(list: &sdk::ManagedPrefixList) -> Option<Created<ManagedPrefixList>> {
    outputs(list).map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false })
}

fn present(list: &sdk::ManagedPrefixList) -> Found<ManagedPrefixList> {
    if is_over(state(list)) {
        return Found::Gone;
    }
    let Some(outputs) = outputs(list) else { return Found::Gone };
    let fields = ManagedPrefixListResolved {
        prefix_list_name: list.prefix_list_name().unwrap_or_default().to_owned(),
        address_family: list.address_family().unwrap_or_default().to_owned(),
        max_entries: list.max_entries().unwrap_or_default(),
        entries: None,
        tags: tagging::read(list.tags()),
    };
    Found::present(fields, outputs)
}

fn from_sdk(entries: Vec<sdk::PrefixListEntry>) -> Option<Vec<PrefixListEntryResolved>> {
    let entries = entries.into_iter().filter_map(|entry| {
        let description = entry.description.filter(|text| !text.is_empty());
        Some(PrefixListEntryResolved { cidr: entry.cidr?, description })
    });
    Some(entries.collect()).filter(|entries: &Vec<_>| !entries.is_empty())
}

fn added(entry: &PrefixListEntryResolved) -> AddPrefixListEntry {
    AddPrefixListEntry::builder().cidr(&entry.cidr).set_description(entry.description.clone()).build()
}

/// The entries that the creating call can take, and those for which it has no room.
fn halves(want: &ManagedPrefixListResolved) -> (&[PrefixListEntryResolved], &[PrefixListEntryResolved]) {
    let all = want.entries.as_deref().unwrap_or_default();
    all.split_at(all.len().min(ENTRIES_PER_CALL))
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::ManagedPrefixList>, CloudError> {
    let lists = describe::managed_prefix_lists(ec2, by("prefix-list-id", [id])).await?;
    Ok(lists.into_iter().find(|list| list.prefix_list_id() == Some(id)))
}

async fn entries(ec2: &Ec2, id: &str) -> Result<Vec<sdk::PrefixListEntry>, CloudError> {
    pages(|token| async move {
        let request = ec2.get_managed_prefix_list_entries().prefix_list_id(id).max_results(100).set_next_token(token);
        let answer = ec2.read("GetManagedPrefixListEntries", || request.clone().send()).await?;
        Ok((answer.entries.unwrap_or_default(), answer.next_token))
    })
    .await
}

fn failed(list: &sdk::ManagedPrefixList) -> CloudError {
    let id = list.prefix_list_id().unwrap_or("the list");
    let why = list.state_message().unwrap_or("AWS gives no reason");
    CloudError::local(ErrorKind::Other, format!("prefix list {id} is {}: {why}", state(list)))
}

/// Waits until no change is under way: the next one would be refused.
async fn settled(ec2: &Ec2, cx: &Cx, id: &str) -> Result<sdk::ManagedPrefixList, CloudError> {
    until(cx, &format!("prefix list {id}"), || async move {
        let Some(list) = one(ec2, id).await? else { return Ok(Stage::Waiting("not listed yet".to_owned())) };
        match state(&list) {
            "create-failed" => Err(failed(&list)),
            state if state.ends_with("-in-progress") => Ok(Stage::Waiting(state.to_owned())),
            // What failed before may be tried again.
            _ => Ok(Stage::Ready(list)),
        }
    })
    .await
}

/// Waits until the change that was just asked for is made.
async fn changed(ec2: &Ec2, cx: &Cx, id: &str) -> Result<sdk::ManagedPrefixList, CloudError> {
    let list = settled(ec2, cx, id).await?;
    if state(&list) == "modify-failed" { Err(failed(&list)) } else { Ok(list) }
}

async fn resize(ec2: &Ec2, cx: &Cx, id: &str, max_entries: i32) -> Result<sdk::ManagedPrefixList, CloudError> {
    let request = ec2.modify_managed_prefix_list().prefix_list_id(id).max_entries(max_entries);
    ec2.write_idempotent("ModifyManagedPrefixList", || request.clone().send()).await?;
    changed(ec2, cx, id).await
}

/// One call's worth of changes: ranges to remove, and entries to add.
#[derive(Debug, Default, PartialEq)]
struct Edit {
    remove: Vec<String>,
    add: Vec<PrefixListEntryResolved>,
}

/// The calls that bring a list from what is in it to what is wanted. A range whose description changes is taken out by an earlier call
/// than the one that puts it back: AWS refuses a range that one call both adds and removes.
fn edits(now: &[PrefixListEntryResolved], want: &[PrefixListEntryResolved]) -> Vec<Edit> {
    let by_cidr = |entries: &[PrefixListEntryResolved]| -> BTreeMap<String, PrefixListEntryResolved> {
        // Ranges are told in AWS's form; in another one a range would be taken out and put back at once, which AWS refuses.
        let told = |entry: &PrefixListEntryResolved| {
            let cidr = canonical(&entry.cidr);
            (cidr.clone(), PrefixListEntryResolved { cidr, description: entry.description.clone() })
        };
        entries.iter().map(told).collect()
    };
    let (now, want) = (by_cidr(now), by_cidr(want));
    let remove: Vec<String> =
        now.values().filter(|entry| want.get(&entry.cidr) != Some(entry)).map(|e| e.cidr.clone()).collect();
    let (again, fresh): (Vec<_>, Vec<_>) = want
        .into_values()
        .filter(|entry| now.get(&entry.cidr) != Some(entry))
        .partition(|entry| now.contains_key(&entry.cidr));
    let mut edits: Vec<Edit> =
        remove.chunks(ENTRIES_PER_CALL).map(|part| Edit { remove: part.to_vec(), add: Vec::new() }).collect();
    // Entries that are all new go along with the last removals, if they fit: that is one version in place of two.
    let mut rest = again;
    if fresh.len() <= ENTRIES_PER_CALL && rest.is_empty() {
        match edits.last_mut() {
            Some(last) => last.add = fresh,
            None => rest = fresh,
        }
    } else {
        rest.extend(fresh);
    }
    edits.extend(rest.chunks(ENTRIES_PER_CALL).map(|part| Edit { remove: Vec::new(), add: part.to_vec() }));
    edits
}

/// Brings the list's entries to what is wanted. Every call names the version that it changes, so that a change by somebody else in between
/// is refused and not undone.
async fn set_entries(
    ec2: &Ec2,
    cx: &Cx,
    mut list: sdk::ManagedPrefixList,
    want: &ManagedPrefixListResolved,
) -> Result<sdk::ManagedPrefixList, CloudError> {
    let Some(id) = list.prefix_list_id.clone() else { return Ok(list) };
    let now = from_sdk(entries(ec2, &id).await?).unwrap_or_default();
    for edit in edits(&now, want.entries.as_deref().unwrap_or_default()) {
        let remove = edit.remove.iter().map(|cidr| RemovePrefixListEntry::builder().cidr(cidr).build());
        let some = |empty: bool| (!empty).then_some(());
        let request = ec2
            .modify_managed_prefix_list()
            .prefix_list_id(&id)
            // Not every stand-in for EC2 keeps a name that is not said again. The wanted one: what was read may be older than a new name.
            .prefix_list_name(&want.prefix_list_name)
            .set_current_version(list.version())
            .set_remove_entries(some(edit.remove.is_empty()).map(|()| remove.collect()))
            .set_add_entries(some(edit.add.is_empty()).map(|()| edit.add.iter().map(added).collect()));
        // Sent twice, its version would no longer be the current one.
        ec2.write("ModifyManagedPrefixList", || request.clone().send()).await?;
        list = changed(ec2, cx, &id).await?;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cidr: &str, description: &str) -> PrefixListEntryResolved {
        let description = Some(description.to_owned()).filter(|d| !d.is_empty());
        PrefixListEntryResolved { cidr: cidr.to_owned(), description }
    }

    #[test]
    fn only_what_differs_is_sent() {
        let now = [entry("10.0.0.0/8", "a"), entry("10.1.0.0/16", "b")];
        assert_eq!(edits(&now, &now), []);
        assert_eq!(edits(&[entry("2001:db8::/32", "a")], &[entry("2001:0DB8:0::/32", "a")]), []);
        let want = [entry("10.0.0.0/8", "a"), entry("10.2.0.0/16", "")];
        let one = Edit { remove: vec!["10.1.0.0/16".into()], add: vec![entry("10.2.0.0/16", "")] };
        assert_eq!(edits(&now, &want), [one]);
        assert_eq!(edits(&[], &want), [Edit { remove: vec![], add: want.to_vec() }]);
    }

    #[test]
    fn a_new_description_takes_two_calls() {
        let edits = edits(&[entry("10.0.0.0/8", "a")], &[entry("10.0.0.0/8", "b"), entry("10.1.0.0/16", "")]);
        assert_eq!(edits.len(), 2);
        assert_eq!((edits[0].remove.as_slice(), edits[0].add.len()), (["10.0.0.0/8".to_owned()].as_slice(), 0));
        assert_eq!((edits[1].remove.len(), edits[1].add.len()), (0, 2));
    }

    #[test]
    fn a_call_takes_a_hundred() {
        let many: Vec<_> = (0..250).map(|n| entry(&format!("10.{n}.0.0/16"), "")).collect();
        assert_eq!(edits(&[], &many).iter().map(|e| e.add.len()).collect::<Vec<_>>(), [100, 100, 50]);
        assert_eq!(edits(&many, &[]).iter().map(|e| e.remove.len()).collect::<Vec<_>>(), [100, 100, 50]);
    }
}
