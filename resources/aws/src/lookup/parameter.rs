//! [`Parameter`].

use std::collections::BTreeMap;

use aws_sdk_ssm::types::ParameterType;
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::arn::Arn;
use crate::batch;

/// How many names AWS takes in one call.
const PER_CALL: usize = 10;

/// The value of a parameter of Systems Manager: one of the account's, or one that AWS publishes, such as the id of the newest image of a kind:
/// `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64`,
/// `/aws/service/eks/optimized-ami/1.33/amazon-linux-2023/arm64/standard/recommended/image_id`.
///
/// A parameter that is encrypted (`SecureString`) is an error: a program's values are shown in plans. What is to be read from it is told its name.
///
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameter {
    name: String,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterValue {
    /// Its name.
    pub name: String,
    /// Its value; of a list (`StringList`), the items with commas between them.
    pub value: String,
    /// Counts its changes.
    pub version: i64,
    /// Its ARN.
    pub arn: Arn,
    /// `text`, or `aws:ec2:image` for the id of an image.
    pub data_type: String,
}

impl Parameter {
    /// The one of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Lookup for Parameter {
    const NAME: &'static str = "aws:ssm:Parameter";
    type Answer = ParameterValue;
}

impl Find for Parameter {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<ParameterValue, CloudError>>, CloudError> {
        let ssm = &at.aws.ssm(&at.cx).await?;
        let calls = wanted.chunks(PER_CALL).map(|group| group.iter().map(|p| p.name.clone()).collect::<Vec<_>>());
        let found = batch::each(calls, |names| async move {
            let request = ssm.get_parameters().set_names(Some(names)).with_decryption(false);
            Ok(ssm.read("GetParameters", || request.clone().send()).await?.parameters.unwrap_or_default())
        });
        // An answer names a parameter without the version or label that was asked for.
        let name =
            |p: &aws_sdk_ssm::types::Parameter| Some(format!("{}{}", p.name()?, p.selector().unwrap_or_default()));
        let found: BTreeMap<String, _> =
            found.await?.into_iter().flatten().filter_map(|p| Some((name(&p)?, p))).collect();
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            answers.push(match found.get(&wanted.name) {
                Some(p) if p.r#type() == Some(&ParameterType::SecureString) => {
                    let error = CloudError::local(
                        ErrorKind::Invalid,
                        "this parameter is encrypted (SecureString), and the answer to a lookup is not kept from view",
                    );
                    Err(error.hint("hand its name on, and let what needs the value read it"))
                }
                Some(p) => Ok(ParameterValue {
                    name: wanted.name.clone(),
                    value: p.value().unwrap_or_default().to_owned(),
                    version: p.version(),
                    arn: Arn::new(p.arn().unwrap_or_default()),
                    data_type: p.data_type().unwrap_or_default().to_owned(),
                }),
                None => Err(choose::none(at, "parameter", "name").await?),
            });
        }
        Ok(answers)
    }
}
