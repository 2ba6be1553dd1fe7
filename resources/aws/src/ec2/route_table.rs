//! [`RouteTable`].

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::ResourceType;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{RouteTableId, VpcId, arn, holders, once_free, once_known, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// A table of routes. What is in it and whom it serves are types of their own: [`Route`](super::Route),
/// [`RouteTableAssociation`](super::RouteTableAssociation).
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:RouteTable",
    terraform = "aws_route_table",
    cloudformation = "AWS::EC2::RouteTable",
    identity = IntentTag
)]
pub struct RouteTable {
    /// The VPC whose traffic it routes.
    #[field(replace)]
    pub vpc_id: Input<VpcId>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`RouteTable`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RouteTableOutputs {
    /// Its id.
    pub id: RouteTableId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
}

impl Manage for RouteTable {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let tables = describe::route_tables(&ec2, by("route-table-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(
            targets,
            tables,
            |table| table.route_table_id(),
            |_, table| {
                let Some(outputs) = outputs(&region, table) else { return Found::Gone };
                let Some(vpc) = table.vpc_id() else {
                    let message = format!("the answer names no VPC of {}", outputs.id);
                    return Found::Failed(CloudError::local(ErrorKind::Other, message));
                };
                let fields = RouteTableResolved { vpc_id: VpcId::new(vpc), tags: tagging::read(table.tags()) };
                Found::present(fields, outputs)
            },
        ))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &RouteTableResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .create_route_table()
            .vpc_id(want.vpc_id.as_str())
            .client_token(client_token(intent))
            .tag_specifications(tagging::specification(ResourceType::RouteTable, &want.tags, intent));
        let answer = once_known(cx, || ec2.write("CreateRouteTable", || request.clone().send())).await?;
        let region = aws.region(&cx.provider).await?;
        let outputs = answer
            .route_table
            .and_then(|table| outputs(&region, &table))
            .ok_or_else(|| ec2.unexpected("CreateRouteTable", "the answer names no table"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: true })
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &RouteTableResolved,
        change: &RouteTableChange,
    ) -> Result<Option<RouteTableOutputs>, CloudError> {
        tagging::update(&aws.ec2(cx).await?, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&RouteTableResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_route_table().route_table_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteRouteTable", || request.clone().send())).await;
        holders::explain(deleted, holders::of_route_table(&ec2, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &RouteTableResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let tables = describe::route_tables(&ec2, by_intent(intent)).await?;
        let found = tables.iter().find(|t| tagging::has_intent(t.tags(), intent)).and_then(|t| outputs(&region, t));
        Ok(found.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: true }))
    }
}

fn outputs(region: &str, table: &sdk::RouteTable) -> Option<RouteTableOutputs> {
    let id = table.route_table_id()?;
    Some(RouteTableOutputs {
        id: RouteTableId::new(id),
        arn: arn(region, table.owner_id(), "route-table", id),
        owner_id: table.owner_id.clone(),
    })
}
