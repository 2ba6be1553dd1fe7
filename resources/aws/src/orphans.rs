//! Objects that bear a stack's mark and that no state knows: left behind by a state that was lost, a record that was removed, a crash
//! that nobody settled.
//!
//! The tagging API tells the marks of most services' objects, one region at a time. IAM's roles and users and Auto Scaling groups are none of
//! them and are listed by their services; objects in buckets are not looked for.
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_resourcegroupstagging::types::TagFilter;
use phx_model::driver::{Cx, Read, ReadTarget, Registry};
#[cfg(feature = "autoscaling")]
use phx_model::error::ErrorKind;
use phx_model::provider::Home;
use phx_model::state::{INTENT_TAG, ProviderKey, State};
use phx_model::{CloudError, Value, ValueMap};

use crate::arn::global_region;
use crate::kinds::{self, Named};
use crate::{Aws, batch, iam};

/// How many objects AWS tells of in one answer, at most.
const PAGE: i32 = 100;
/// How long one look may take.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// An object that bears the mark of one of a stack's intents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marked {
    /// Its ARN.
    pub arn: String,
    /// The intent that made it.
    pub intent: String,
    /// Where it was found.
    pub provider: ProviderKey,
}

impl Marked {
    /// Its type in phx and its id, as far as the ARN tells. Where several types' ARNs look alike, it tells none.
    pub fn object(&self) -> Option<(&'static str, Option<String>)> {
        let named = kinds::of(&self.arn)?;
        let [type_name] = named.types else { return None };
        Some((*type_name, named.id))
    }
}

/// The service of an ARN, and what names the object in it.
fn parts(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (_, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    Some((service, parts.nth(2)?))
}

/// All objects in these places, and in the stack's own, that bear a mark of the lineage.
pub async fn marked(aws: &Aws, places: &BTreeSet<ProviderKey>, lineage: &str) -> Result<Vec<Marked>, CloudError> {
    if lineage.is_empty() {
        return Ok(Vec::new());
    }
    let here = ProviderKey::default();
    // Each region of each account is looked at once, and what belongs to no region once in each account, in whichever name.
    let (mut seen, mut accounts) = (BTreeSet::new(), BTreeMap::new());
    let mut looks = Vec::new();
    let several = places.iter().any(|place| place.place().account.is_some());
    for place in std::iter::once(&here).chain(places) {
        // Which account the stack's own is matters only beside others.
        let account = if several { aws.account(place).await? } else { String::new() };
        if seen.insert((account.clone(), aws.region(place).await?)) {
            looks.push(place.clone());
        }
        accounts.entry(account).or_insert(place);
    }
    let groups = batch::each(looks.clone(), |place| groups(aws, place));
    // What belongs to no region (IAM's policies, budgets) or to CloudFront is told of in one region only, whichever the stack is in.
    for (account, place) in &accounts {
        let global = global_region(&aws.region(place).await?);
        if seen.insert((account.clone(), global.to_owned())) {
            looks.push(place.in_region(global));
        }
    }
    let tagged = batch::each(looks, |place| tagged(aws, place));
    let principals = batch::each(accounts.into_values().cloned(), |place| principals(aws, place));
    let (tagged, groups, principals) = futures::try_join!(tagged, groups, principals)?;
    let begins = format!("{lineage}.");
    let mut found: BTreeMap<String, Marked> = BTreeMap::new();
    let all = tagged.into_iter().chain(groups).chain(principals).flatten();
    for one in all.filter(|one| one.intent.starts_with(&begins) && !is_copy(&one.arn)) {
        found.entry(one.arn.clone()).or_insert(one);
    }
    Ok(found.into_values().collect())
}

/// Whether AWS itself made the object of one of phx's, and copied its tags along: automated snapshots and backups' recovery points.
fn is_copy(arn: &str) -> bool {
    [":snapshot:rds:", ":cluster-snapshot:rds:", ":snapshot:awsbackup:", ":recovery-point:", ":snapshot/", ":image/"]
        .iter()
        .any(|form| arn.contains(form))
}

fn cx(provider: &ProviderKey) -> Cx {
    Cx::new(provider.clone(), Arc::new(|_| {}), TIMEOUT)
}

/// What the tagging API knows of marked objects in a place.
async fn tagged(aws: &Aws, place: ProviderKey) -> Result<Vec<Marked>, CloudError> {
    let tagging = &aws.tagging(&cx(&place)).await?;
    let filter = TagFilter::builder().key(INTENT_TAG).build();
    let (filter, place) = (&filter, &place);
    batch::pages(move |token| async move {
        let request =
            tagging.get_resources().tag_filters(filter.clone()).resources_per_page(PAGE).set_pagination_token(token);
        let answer = tagging.read("GetResources", || request.clone().send()).await?;
        let marked = answer.resource_tag_mapping_list.unwrap_or_default().into_iter().filter_map(|resource| {
            let intent = resource.tags.unwrap_or_default().into_iter().find(|tag| tag.key == INTENT_TAG)?.value;
            Some(Marked { arn: resource.resource_arn?, intent, provider: place.clone() })
        });
        Ok((marked.collect(), answer.pagination_token))
    })
    .await
}

/// The marked Auto Scaling groups of a place, of which the tagging API tells nothing.
#[cfg(feature = "autoscaling")]
async fn groups(aws: &Aws, place: ProviderKey) -> Result<Vec<Marked>, CloudError> {
    use aws_sdk_autoscaling::types::Filter;

    let autoscaling = &aws.autoscaling(&cx(&place)).await?;
    let filter = &Filter::builder().name("tag-key").values(INTENT_TAG).build();
    let groups = batch::pages(|token| async move {
        let request = autoscaling
            .describe_auto_scaling_groups()
            .filters(filter.clone())
            .include_instances(false)
            .max_records(PAGE)
            .set_next_token(token);
        let answer = autoscaling.read("DescribeAutoScalingGroups", || request.clone().send()).await?;
        Ok((answer.auto_scaling_groups.unwrap_or_default(), answer.next_token))
    });
    let groups = match groups.await {
        // Whoever looks after a stack without such groups need not be allowed to list them, and an endpoint may lack them.
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported) => {
            tracing::warn!(%error, "orphans among Auto Scaling groups are not looked for");
            return Ok(Vec::new());
        }
        groups => groups?,
    };
    let marked = groups.into_iter().filter_map(|group| {
        let intent = group.tags().iter().find(|tag| tag.key() == Some(INTENT_TAG))?.value()?.to_owned();
        Some(Marked { arn: group.auto_scaling_group_arn?, intent, provider: place.clone() })
    });
    Ok(marked.collect())
}

/// A build without them knows none.
#[cfg(not(feature = "autoscaling"))]
async fn groups(_: &Aws, _: ProviderKey) -> Result<Vec<Marked>, CloudError> {
    Ok(Vec::new())
}

/// The marked roles and users of a place's account.
async fn principals(aws: &Aws, place: ProviderKey) -> Result<Vec<Marked>, CloudError> {
    let iam = aws.iam(&cx(&place)).await?;
    let (roles, users) = iam::roles_and_users(&iam).await?;
    let roles = roles.into_iter().map(|role| (role.arn, role.tags));
    let users = users.into_iter().map(|user| (user.arn, user.tags));
    let marked = roles.chain(users).filter_map(|(arn, tags)| {
        let intent = tags.unwrap_or_default().into_iter().find(|tag| tag.key == INTENT_TAG)?.value;
        Some(Marked { arn: arn?, intent, provider: place.clone() })
    });
    Ok(marked.collect())
}

/// What states know of objects.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Type and id, and where: two accounts or regions may have objects of one name.
    objects: BTreeMap<(String, String), BTreeSet<Somewhere>>,
    /// Service and id, and where.
    ids: BTreeMap<(String, String), BTreeSet<Somewhere>>,
    /// Every text among the outputs; ARNs are among them.
    texts: BTreeSet<String>,
    /// Creates that are under way, or that the next run settles.
    open: BTreeSet<String>,
}

/// An account and a region, each as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Somewhere {
    account: Option<String>,
    region: Option<String>,
}

impl Somewhere {
    fn of(key: &ProviderKey, home: &Home) -> Self {
        let place = key.place();
        let own = |said: Option<&str>, own: &Option<String>| said.map(str::to_owned).or_else(|| own.clone());
        Self { account: own(place.account, &home.account), region: own(place.region, &home.region) }
    }

    /// What an ARN says: nothing of the region of what is the same in all of them, and nothing of the account of a bucket.
    fn of_arn(arn: &str) -> Self {
        let mut parts = arn.splitn(6, ':').skip(3);
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let region = next();
        Self { account: next(), region }
    }

    /// Whether the two may be one place.
    fn may_be(&self, other: &Self) -> bool {
        let may_be = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        may_be(&self.account, &other.account) && may_be(&self.region, &other.region)
    }
}

impl Known {
    /// What one more state knows. `home` is its stack's own place, as far as that is known.
    pub fn add(&mut self, state: &State, home: &Home) {
        let deposed = state.deposed.iter().map(|d| (&d.urn, &d.record));
        for (urn, record) in state.resources.iter().chain(deposed) {
            let service = urn.type_name().split(':').nth(1).unwrap_or_default();
            let place = Somewhere::of(&record.provider, home);
            let object = (urn.type_name().to_owned(), record.id.clone());
            self.objects.entry(object).or_default().insert(place.clone());
            self.ids.entry((service.to_owned(), record.id.clone())).or_default().insert(place);
            let arns = record.outputs.values().filter_map(Value::as_str).filter(|text| text.starts_with("arn:"));
            self.texts.extend(arns.map(|arn| arn.strip_suffix(":*").unwrap_or(arn).to_owned()));
        }
        self.open.extend(state.open.keys().map(|intent| intent.as_str().to_owned()));
    }

    /// Whether a state knows the object, or the intent that it bears is still to be settled.
    pub fn has(&self, marked: &Marked) -> bool {
        let arn = marked.arn.strip_suffix(":*").unwrap_or(&marked.arn);
        if self.open.contains(&marked.intent) || self.texts.contains(arn) {
            return true;
        }
        let place = Somewhere::of_arn(arn);
        let there = |known: Option<&BTreeSet<Somewhere>>| known.into_iter().flatten().any(|known| known.may_be(&place));
        if let Some(Named { types, id: Some(id) }) = kinds::of(arn) {
            return types.iter().any(|name| there(self.objects.get(&((*name).to_owned(), id.clone()))));
        }
        let Some((service, resource)) = parts(arn) else { return false };
        // Most ids are the end of the ARN, after its type and perhaps a path.
        let ends = resource.char_indices().filter(|(_, c)| matches!(c, '/' | ':')).map(|(at, _)| &resource[at + 1..]);
        std::iter::once(arn)
            .chain([resource])
            .chain(ends)
            .any(|id| there(self.ids.get(&(service.to_owned(), id.to_owned()))))
    }
}

/// Takes those away that are gone: the tagging API and NAT gateways go on telling of deleted objects for a while. What cannot be asked after
/// stays.
pub async fn still_there(registry: &Registry, marked: Vec<Marked>) -> Vec<Marked> {
    let nothing = ValueMap::new();
    let mut groups: BTreeMap<(&str, &ProviderKey), Vec<(&str, String)>> = BTreeMap::new();
    // As what each of them may be there.
    let mut may_be: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in &marked {
        let Some(Named { types, id: Some(id) }) = kinds::of(&one.arn) else { continue };
        may_be.insert(&one.arn, types.iter().copied().collect());
        for name in types {
            groups.entry((*name, &one.provider)).or_default().push((&one.arn, id.clone()));
        }
    }
    for ((type_name, provider), objects) in groups {
        let Some(driver) = registry.get(type_name) else { continue };
        let targets: Vec<ReadTarget<'_>> = objects.iter().map(|(_, id)| ReadTarget { id, inputs: &nothing }).collect();
        match driver.read_many(&cx(provider), &targets).await {
            Ok(answers) => {
                for ((arn, _), _) in objects.iter().zip(answers).filter(|(_, answer)| matches!(answer, Read::Gone)) {
                    if let Some(types) = may_be.get_mut(arn) {
                        types.remove(type_name);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, type_name, "whether these are still there is not known"),
        }
    }
    let gone: BTreeSet<String> =
        may_be.into_iter().filter(|(_, types)| types.is_empty()).map(|(arn, _)| arn.to_owned()).collect();
    marked.into_iter().filter(|one| !gone.contains(&one.arn)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::Urn;
    use phx_model::state::{Intent, Record};

    fn marked(arn: &str) -> Marked {
        Marked { arn: arn.into(), intent: "line.op.1".into(), provider: ProviderKey::default() }
    }

    #[test]
    fn copies_that_aws_makes_are_no_orphans() {
        for arn in
            ["arn:aws:rds:us-west-2:1:snapshot:rds:db-2026-11-25", "arn:aws:backup:us-west-2:1:recovery-point:0a1b"]
        {
            assert!(is_copy(arn), "{arn}");
        }
        for arn in ["arn:aws:rds:us-west-2:1:snapshot:mine", "arn:aws:ec2:us-west-2:1:volume/vol-0a1b"] {
            assert!(!is_copy(arn), "{arn}");
        }
    }

    #[test]
    fn what_may_be_of_several_types_is_told_as_of_none() {
        let object = |arn: &str| marked(arn).object();
        let role = ("aws:iam:Role", Some("deploy".to_owned()));
        assert_eq!(object("arn:aws:iam::1:role/a/b/deploy"), Some(role));
        assert_eq!(object("arn:aws:rds:us-west-2:1:db-proxy:prx-1"), Some(("aws:rds:DbProxy", None)));
        assert_eq!(object("arn:aws:ec2:us-west-2:1:security-group-rule/sgr-1"), None);
        assert_eq!(object("arn:aws:cloudwatch:us-west-2:1:alarm:a"), None);
        assert_eq!(object("nonsense"), None);
    }

    #[test]
    fn what_a_state_knows_is_no_orphan() {
        let urn = |kind: &str| Urn::parse(&format!("urn:phx:p:s:aws:{kind}:x")).unwrap();
        let mut state = State::empty("line");
        for (kind, id) in [
            ("ec2:Vpc", "vpc-1"),
            ("iam:Role", "deploy"),
            ("logs:LogGroup", "/app/x"),
            ("s3:Bucket", "bucket"),
            ("ec2:SecurityGroupIngressRule", "sgr-1"),
            ("eks:NodeGroup", "demo/workers"),
            ("rds:DbInstance", "main"),
            ("x:Thing", "deploy"),
        ] {
            state.resources.insert(urn(kind), Record { id: id.into(), ..Record::default() });
        }
        let mut known = Known::default();
        known.add(&state, &Home::default());
        for arn in [
            "arn:aws:ec2:us-west-2:1:vpc/vpc-1",
            "arn:aws:iam::1:role/a/b/deploy",
            "arn:aws:logs:us-west-2:1:log-group:/app/x",
            "arn:aws:logs:us-west-2:1:log-group:/app/x:*",
            "arn:aws:s3:::bucket",
            "arn:aws:ec2:us-west-2:1:security-group-rule/sgr-1",
            "arn:aws:eks:us-west-2:1:nodegroup/demo/workers/0a-1b",
            "arn:aws:rds:us-west-2:1:db:main",
            "arn:aws:x:us-west-2:1:thing/deploy",
        ] {
            assert!(known.has(&marked(arn)), "{arn}");
        }
        for arn in [
            "arn:aws:ec2:us-west-2:1:vpc/vpc-2",
            "arn:aws:logs:us-west-2:1:log-group:deploy",
            "arn:aws:s3:::b",
            // Another type's object of the same name.
            "arn:aws:iam::1:user/deploy",
            "arn:aws:rds:us-west-2:1:subgrp:main",
        ] {
            assert!(!known.has(&marked(arn)), "{arn}");
        }
        let intent: Intent = serde_json::from_value(serde_json::json!({
            "id": "line.op.1", "urn": urn("ec2:Vpc"), "time": "1970-01-01T00:00:00Z", "change": {"do": "finish"},
        }))
        .unwrap();
        state.open.insert(intent.id.clone(), intent);
        known.add(&state, &Home::default());
        assert!(known.has(&marked("arn:aws:ec2:us-west-2:1:vpc/vpc-2")), "its creation is under way");
    }

    #[test]
    fn a_name_in_one_place_is_another_object_in_another() {
        let urn = |name: &str| Urn::parse(&format!("urn:phx:p:s:aws:logs:LogGroup:{name}")).unwrap();
        let mut state = State::empty("line");
        let record = |place: &str| Record { id: "/a".into(), provider: ProviderKey(place.into()), ..Record::default() };
        state.resources.insert(urn("home"), record(""));
        state.resources.insert(urn("tenant"), record("2/eu-west-1@tenant"));
        let mut known = Known::default();
        known.add(&state, &Home { region: Some("us-west-2".into()), account: Some("1".into()) });
        let has = |place: &str| known.has(&marked(&format!("arn:aws:logs:{place}:log-group:/a")));
        assert!(has("us-west-2:1") && has("eu-west-1:2"));
        assert!(!has("us-east-1:1") && !has("us-west-2:2") && !has("eu-west-1:1"));
        let mut known = Known::default();
        known.add(&state, &Home::default());
        assert!(known.has(&marked("arn:aws:logs:us-east-1:1:log-group:/a")), "nobody knows where home is");
    }

    #[test]
    fn iams_objects_are_told_of_in_one_region() {
        assert_eq!(global_region("eu-central-1"), "us-east-1");
        assert_eq!(global_region("us-gov-east-1"), "us-gov-west-1");
    }
}
