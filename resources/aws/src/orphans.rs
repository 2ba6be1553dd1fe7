//! Objects that bear a stack's mark and that no state knows: left behind by a state that was lost, a record that was removed, a crash
//! that nobody settled.
//!
//! The tagging API tells the marks of most services' objects, one region at a time; IAM's roles are none of them and are listed by IAM.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_resourcegroupstagging::types::TagFilter;
use phx_model::driver::{Cx, Read, ReadTarget, Registry};
use phx_model::state::{INTENT_TAG, ProviderKey, State};
use phx_model::{CloudError, Value, ValueMap};

use crate::arn::global_region;
use crate::{Aws, batch, iam};

/// How many objects the tagging API tells of in one answer, at most.
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
    /// Its type in phx and its id, as far as the ARN tells.
    pub fn object(&self) -> Option<(&'static str, &str)> {
        let (service, resource) = parts(&self.arn)?;
        let ec2 = || resource.split_once('/');
        match service {
            "ec2" => {
                let (kind, id) = ec2()?;
                let type_name = match kind {
                    "vpc" => "aws:ec2:Vpc",
                    "subnet" => "aws:ec2:Subnet",
                    "internet-gateway" => "aws:ec2:InternetGateway",
                    "elastic-ip" => "aws:ec2:Eip",
                    "natgateway" => "aws:ec2:NatGateway",
                    "route-table" => "aws:ec2:RouteTable",
                    "security-group" => "aws:ec2:SecurityGroup",
                    _ => return None,
                };
                Some((type_name, id))
            }
            "iam" => Some(("aws:iam:Role", resource.strip_prefix("role/")?.rsplit('/').next()?)),
            "logs" => {
                let name = resource.strip_prefix("log-group:")?;
                Some(("aws:logs:LogGroup", name.strip_suffix(":*").unwrap_or(name)))
            }
            "s3" if !resource.contains(['/', ':']) => Some(("aws:s3:Bucket", resource)),
            _ => None,
        }
    }
}

/// The service of an ARN, and what names the object in it.
fn parts(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (_, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    Some((service, parts.nth(2)?))
}

/// All objects in the account and in these places that bear a mark of the lineage.
pub async fn marked(aws: &Aws, places: &BTreeSet<ProviderKey>, lineage: &str) -> Result<Vec<Marked>, CloudError> {
    if lineage.is_empty() {
        return Ok(Vec::new());
    }
    let here = ProviderKey::default();
    let places: BTreeSet<&ProviderKey> = places.iter().chain([&here]).collect();
    let mut looks: BTreeMap<String, (ProviderKey, bool)> = BTreeMap::new();
    for place in places {
        looks.entry(aws.region(place).await?).or_insert_with(|| (place.clone(), false));
    }
    // What IAM has beside roles and users is told of in one region only, whichever region the stack is in.
    let global = global_region(&aws.region(&here).await?);
    looks.entry(global.to_owned()).or_insert_with(|| (ProviderKey(global.to_owned()), true));
    let tagged = batch::each(looks.into_values(), |(place, only_iam)| tagged(aws, place, only_iam));
    let (tagged, roles) = futures::try_join!(tagged, roles(aws))?;
    let begins = format!("{lineage}.");
    let mut found: BTreeMap<String, Marked> = BTreeMap::new();
    for one in tagged.into_iter().flatten().chain(roles).filter(|one| one.intent.starts_with(&begins)) {
        found.entry(one.arn.clone()).or_insert(one);
    }
    Ok(found.into_values().collect())
}

fn cx(provider: &ProviderKey) -> Cx {
    Cx::new(provider.clone(), Arc::new(|_| {}), TIMEOUT)
}

/// What the tagging API knows of marked objects in a place.
async fn tagged(aws: &Aws, place: ProviderKey, only_iam: bool) -> Result<Vec<Marked>, CloudError> {
    let tagging = &aws.tagging(&cx(&place)).await?;
    let filter = TagFilter::builder().key(INTENT_TAG).build();
    let (filter, place) = (&filter, &place);
    batch::pages(move |token| async move {
        let request = tagging
            .get_resources()
            .tag_filters(filter.clone())
            .resources_per_page(PAGE)
            .set_resource_type_filters(only_iam.then(|| vec!["iam".to_owned()]))
            .set_pagination_token(token);
        let answer = tagging.read("GetResources", || request.clone().send()).await?;
        let marked = answer.resource_tag_mapping_list.unwrap_or_default().into_iter().filter_map(|resource| {
            let intent = resource.tags.unwrap_or_default().into_iter().find(|tag| tag.key == INTENT_TAG)?.value;
            Some(Marked { arn: resource.resource_arn?, intent, provider: place.clone() })
        });
        Ok((marked.collect(), answer.pagination_token))
    })
    .await
}

/// The account's marked roles.
async fn roles(aws: &Aws) -> Result<Vec<Marked>, CloudError> {
    let here = ProviderKey::default();
    let iam = aws.iam(&cx(&here)).await?;
    let roles = iam::role_details(&iam).await?;
    let marked = roles.into_iter().filter_map(|role| {
        let intent = role.tags().iter().find(|tag| tag.key() == INTENT_TAG)?.value().to_owned();
        Some(Marked { arn: role.arn?, intent, provider: here.clone() })
    });
    Ok(marked.collect())
}

/// What states know of objects.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Service and id.
    ids: BTreeSet<(String, String)>,
    /// Every text among the outputs; ARNs are among them.
    texts: BTreeSet<String>,
    /// Creates that are under way, or that the next run settles.
    open: BTreeSet<String>,
}

impl Known {
    /// What one more state knows.
    pub fn add(&mut self, state: &State) {
        let deposed = state.deposed.iter().map(|d| (&d.urn, &d.record));
        for (urn, record) in state.resources.iter().chain(deposed) {
            let service = urn.type_name().split(':').nth(1).unwrap_or_default();
            self.ids.insert((service.to_owned(), record.id.clone()));
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
        let Some((service, resource)) = parts(arn) else { return false };
        // The id is the end of the ARN, after its type and perhaps a path.
        let ends = resource.char_indices().filter(|(_, c)| matches!(c, '/' | ':')).map(|(at, _)| &resource[at + 1..]);
        std::iter::once(arn)
            .chain([resource])
            .chain(ends)
            .any(|id| self.ids.contains(&(service.to_owned(), id.to_owned())))
    }
}

/// Takes those away that are gone: the tagging API and NAT gateways go on telling of deleted objects for a while. What cannot be asked after
/// stays.
pub async fn still_there(registry: &Registry, marked: Vec<Marked>) -> Vec<Marked> {
    let nothing = ValueMap::new();
    let mut groups: BTreeMap<(&str, &ProviderKey), Vec<(&Marked, &str)>> = BTreeMap::new();
    for one in &marked {
        if let Some((type_name, id)) = one.object() {
            groups.entry((type_name, &one.provider)).or_default().push((one, id));
        }
    }
    let mut gone = BTreeSet::new();
    for ((type_name, provider), objects) in groups {
        let Some(driver) = registry.get(type_name) else { continue };
        let targets: Vec<ReadTarget<'_>> = objects.iter().map(|(_, id)| ReadTarget { id, inputs: &nothing }).collect();
        match driver.read_many(&cx(provider), &targets).await {
            Ok(answers) => {
                let answers = objects.iter().zip(answers).filter(|(_, answer)| matches!(answer, Read::Gone));
                gone.extend(answers.map(|((one, _), _)| one.arn.clone()));
            }
            Err(error) => tracing::debug!(%error, type_name, "whether these are still there is not known"),
        }
    }
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
    fn an_arn_tells_type_and_id() {
        for (arn, object) in [
            ("arn:aws:ec2:us-west-2:1:vpc/vpc-1", Some(("aws:ec2:Vpc", "vpc-1"))),
            ("arn:aws:iam::1:role/a/b/deploy", Some(("aws:iam:Role", "deploy"))),
            ("arn:aws:logs:us-west-2:1:log-group:/app/x:*", Some(("aws:logs:LogGroup", "/app/x"))),
            ("arn:aws:s3:::bucket", Some(("aws:s3:Bucket", "bucket"))),
            ("arn:aws:ec2:us-west-2:1:security-group-rule/sgr-1", None),
            ("nonsense", None),
        ] {
            assert_eq!(marked(arn).object(), object, "{arn}");
        }
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
        ] {
            state.resources.insert(urn(kind), Record { id: id.into(), ..Record::default() });
        }
        let mut known = Known::default();
        known.add(&state);
        for arn in [
            "arn:aws:ec2:us-west-2:1:vpc/vpc-1",
            "arn:aws:iam::1:role/a/b/deploy",
            "arn:aws:logs:us-west-2:1:log-group:/app/x",
            "arn:aws:logs:us-west-2:1:log-group:/app/x:*",
            "arn:aws:s3:::bucket",
            "arn:aws:ec2:us-west-2:1:security-group-rule/sgr-1",
        ] {
            assert!(known.has(&marked(arn)), "{arn}");
        }
        for arn in ["arn:aws:ec2:us-west-2:1:vpc/vpc-2", "arn:aws:logs:us-west-2:1:log-group:deploy", "arn:aws:s3:::b"]
        {
            assert!(!known.has(&marked(arn)), "{arn}");
        }
        let intent: Intent = serde_json::from_value(serde_json::json!({
            "id": "line.op.1", "urn": urn("ec2:Vpc"), "time": "1970-01-01T00:00:00Z", "change": {"do": "finish"},
        }))
        .unwrap();
        state.open.insert(intent.id.clone(), intent);
        known.add(&state);
        assert!(known.has(&marked("arn:aws:ec2:us-west-2:1:vpc/vpc-2")), "its creation is under way");
    }

    #[test]
    fn iams_objects_are_told_of_in_one_region() {
        assert_eq!(global_region("eu-central-1"), "us-east-1");
        assert_eq!(global_region("us-gov-east-1"), "us-gov-west-1");
    }
}
