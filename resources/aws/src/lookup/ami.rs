//! [`Ami`].

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Filter;
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::batch;

/// The newest image of these owners whose name fits. An image that AWS publishes under a parameter's name is found with
/// [`Parameter`](super::Parameter).
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ami {
    owners: Vec<String>,
    name: String,
    architecture: Option<String>,
    only: bool,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its id: `ami-0a1b`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The account that owns it.
    pub owner_id: String,
    /// When it was made: `2026-11-23T01:08:05.000Z`.
    pub creation_date: String,
    /// `x86_64`, `arm64`, …
    pub architecture: String,
    /// The name under which its root volume is attached: `/dev/xvda`.
    pub root_device_name: String,
}

impl Ami {
    /// Images of these owners: accounts, `amazon`, `aws-marketplace` or `self`; and of this name, in which `*` stands for any letters and `?` for one.
    pub fn new<S: Into<String>>(owners: impl IntoIterator<Item = S>, name: impl Into<String>) -> Self {
        let owners = owners.into_iter().map(Into::into).collect();
        Self { owners, name: name.into(), ..Self::default() }
    }

    /// Those of this architecture: `x86_64`, `arm64`.
    #[must_use]
    pub fn architecture(mut self, architecture: impl Into<String>) -> Self {
        self.architecture = Some(architecture.into());
        self
    }

    /// More than one that fits is an error, instead of the newest of them being meant.
    #[must_use]
    pub fn only(mut self, yes: bool) -> Self {
        self.only = yes;
        self
    }
}

impl Lookup for Ami {
    const NAME: &'static str = "aws:ec2:Ami";
    type Answer = Image;
}

impl Find for Ami {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Image, CloudError>>, CloudError> {
        // Names of the same owners are asked for at once.
        let mut calls: BTreeMap<(&[String], Option<&str>), Vec<&str>> = BTreeMap::new();
        for ami in wanted.iter().filter(|ami| !ami.owners.is_empty()) {
            let names = calls.entry((&ami.owners, ami.architecture.as_deref())).or_default();
            if !names.contains(&ami.name.as_str()) {
                names.push(&ami.name);
            }
        }
        let found = batch::each(calls, |((owners, architecture), names)| async move {
            Ok(((owners, architecture), images(at, owners, architecture, &names).await?))
        });
        let found: BTreeMap<_, Vec<Image>> = found.await?.into_iter().collect();
        let mut answers = Vec::with_capacity(wanted.len());
        for ami in &wanted {
            let Some(images) = found.get(&(&ami.owners[..], ami.architecture.as_deref())) else {
                let error = CloudError::local(
                    ErrorKind::Invalid,
                    "it names no owner, and anybody may publish an image under any name",
                );
                answers
                    .push(Err(error.hint("name the owners whose images can be trusted: an account, `amazon`, `self`")));
                continue;
            };
            let mut images: Vec<Image> =
                images.iter().filter(|image| choose::fits(&ami.name, &image.name)).cloned().collect();
            // Dates are written so that their order is that of their text.
            images.sort_by(|a, b| (&b.creation_date, &b.id).cmp(&(&a.creation_date, &a.id)));
            images.truncate(if ami.only { usize::MAX } else { 1 });
            let name = |image: &Image| format!("{} ({})", image.id, image.name);
            answers.push(choose::one(at, "image", "owners, name, architecture", images, name).await);
        }
        Ok(answers)
    }
}

async fn images(
    at: &At,
    owners: &[String],
    architecture: Option<&str>,
    names: &[&str],
) -> Result<Vec<Image>, CloudError> {
    let ec2 = &at.aws.ec2(&at.cx).await?;
    let filter = |name: &str, values: Vec<String>| Filter::builder().name(name).set_values(Some(values)).build();
    let mut filters = vec![
        filter("name", names.iter().map(|name| (*name).to_owned()).collect()),
        filter("state", vec!["available".to_owned()]),
    ];
    filters.extend(architecture.map(|a| filter("architecture", vec![a.to_owned()])));
    let filters = &filters;
    let all = batch::pages(|token| async move {
        let request = ec2
            .describe_images()
            .set_owners(Some(owners.to_vec()))
            .set_filters(Some(filters.clone()))
            .max_results(1000)
            .set_next_token(token);
        let answer = ec2.read("DescribeImages", || request.clone().send()).await?;
        Ok((answer.images.unwrap_or_default(), answer.next_token))
    });
    let images = all.await?.into_iter().filter_map(|image| {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let found = Image {
            owner_id: text(image.owner_id()),
            creation_date: text(image.creation_date()),
            architecture: text(image.architecture().map(aws_sdk_ec2::types::ArchitectureValues::as_str)),
            root_device_name: text(image.root_device_name()),
            name: text(image.name()),
            id: image.image_id?,
        };
        Some(found).filter(|image| architecture.is_none_or(|a| a == image.architecture))
    });
    Ok(images.collect())
}
