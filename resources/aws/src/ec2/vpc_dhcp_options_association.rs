//! [`VpcDhcpOptionsAssociation`].

use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Input;
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by};
use super::{DhcpOptionsId, Ec2, VpcId, once_known};
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// What `AssociateDhcpOptions` takes for none of one's own, and answers name where a VPC never had any.
const NONE: &str = "default";

/// The DHCP options that a VPC uses. Without one it uses none of its own.
///
/// It bears no mark, and a VPC has one set of options at a time: what the VPC used before is put aside, and deleting the association leaves
/// the VPC without options, unless it uses others by then.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateDhcpOptions.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:VpcDhcpOptionsAssociation",
    terraform = "aws_vpc_dhcp_options_association",
    cloudformation = "AWS::EC2::VPCDHCPOptionsAssociation",
    identity = NaturalKey,
    unique(vpc_id),
    vanishes_with(vpc_id)
)]
pub struct VpcDhcpOptionsAssociation {
    /// The VPC.
    #[field(replace)]
    pub vpc_id: Input<VpcId>,
    /// The options.
    pub dhcp_options_id: Input<DhcpOptionsId>,
}

/// What AWS decides of a [`VpcDhcpOptionsAssociation`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VpcDhcpOptionsAssociationOutputs {
    /// The VPC's id: AWS has none for associations.
    pub id: VpcId,
}

impl Manage for VpcDhcpOptionsAssociation {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let vpcs = describe::vpcs(&ec2, by("vpc-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(
            targets,
            vpcs,
            |vpc| vpc.vpc_id(),
            |target, vpc| match vpc.dhcp_options_id().filter(|id| is_set(id)) {
                Some(options) => {
                    let id = VpcId::new(target.id);
                    let dhcp_options_id = DhcpOptionsId::new(options);
                    Found::present(
                        VpcDhcpOptionsAssociationResolved { vpc_id: id.clone(), dhcp_options_id },
                        VpcDhcpOptionsAssociationOutputs { id },
                    )
                }
                None => Found::Gone,
            },
        ))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &VpcDhcpOptionsAssociationResolved,
        _: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        associate(&aws.ec2(cx).await?, cx, want.vpc_id.as_str(), want.dhcp_options_id.as_str()).await?;
        Ok(created(want))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &VpcDhcpOptionsAssociationResolved,
        change: &VpcDhcpOptionsAssociationChange,
    ) -> Result<Option<VpcDhcpOptionsAssociationOutputs>, CloudError> {
        if let Some(options) = change.dhcp_options_id.as_ref().and_then(|change| change.after.as_ref()) {
            associate(&aws.ec2(cx).await?, cx, id, options.as_str()).await?;
        }
        Ok(None)
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        was: Option<&VpcDhcpOptionsAssociationResolved>,
    ) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let Some(now) = current(&ec2, id).await? else { return Ok(()) };
        // Somebody may have given the VPC other options since.
        if was.is_some_and(|was| was.dhcp_options_id.as_str() != now) {
            return Ok(());
        }
        let request = ec2.associate_dhcp_options().vpc_id(id).dhcp_options_id(NONE);
        match ec2.write_idempotent("AssociateDhcpOptions", || request.clone().send()).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &VpcDhcpOptionsAssociationResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let now = current(&aws.ec2(cx).await?, want.vpc_id.as_str()).await?;
        Ok((now.as_deref() == Some(want.dhcp_options_id.as_str())).then(|| created(want)))
    }
}

fn is_set(options: &str) -> bool {
    !options.is_empty() && options != NONE
}

fn created(want: &VpcDhcpOptionsAssociationResolved) -> Created<VpcDhcpOptionsAssociation> {
    let outputs = VpcDhcpOptionsAssociationOutputs { id: want.vpc_id.clone() };
    Created { id: want.vpc_id.to_string(), outputs, complete: true }
}

/// The options that a VPC uses; `None` if it uses none, or is not there.
async fn current(ec2: &Ec2, vpc: &str) -> Result<Option<String>, CloudError> {
    let vpcs = describe::vpcs(ec2, by("vpc-id", [vpc])).await?;
    let vpc = vpcs.into_iter().find(|v| v.vpc_id() == Some(vpc));
    Ok(vpc.and_then(|v| v.dhcp_options_id).filter(|id| is_set(id)))
}

async fn associate(ec2: &Ec2, cx: &Cx, vpc: &str, options: &str) -> Result<(), CloudError> {
    let request = ec2.associate_dhcp_options().vpc_id(vpc).dhcp_options_id(options);
    once_known(cx, || ec2.write_idempotent("AssociateDhcpOptions", || request.clone().send())).await.map(drop)
}
