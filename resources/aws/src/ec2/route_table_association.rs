//! [`RouteTableAssociation`].

use aws_sdk_ec2::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Input;
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by};
use super::{InternetGatewayId, RouteTableAssociationId, RouteTableId, SubnetId, VpnGatewayId, once_free, once_known};
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// Which route table a subnet's traffic, or the traffic that enters through a gateway, follows. Exactly one of the optional fields is set.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateRouteTable.html>
///
/// Associating a subnet with another table makes another association: AWS gives it a new id.
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:RouteTableAssociation",
    terraform = "aws_route_table_association",
    cloudformation = "AWS::EC2::SubnetRouteTableAssociation",
    identity = NaturalKey,
    unique(subnet_id, gateway_id, public_ipv4_pool)
)]
pub struct RouteTableAssociation {
    /// The table.
    #[field(replace)]
    pub route_table_id: Input<RouteTableId>,
    /// The subnet.
    #[field(replace)]
    pub subnet_id: Option<Input<SubnetId>>,
    /// The internet gateway; see [`virtual_private_gateway`](RouteTableAssociation::virtual_private_gateway) for the other kind.
    #[field(replace)]
    pub gateway_id: Option<Input<InternetGatewayId>>,
    /// The pool of one's own public IPv4 addresses.
    #[field(replace)]
    pub public_ipv4_pool: Option<Input<String>>,
}

impl RouteTableAssociation {
    /// A virtual private gateway as the gateway: `gateway_id` takes both kinds.
    #[must_use]
    pub fn virtual_private_gateway(mut self, gateway: impl Into<Input<VpnGatewayId>>) -> Self {
        self.gateway_id = Some(Input::from_expr(gateway.into().into_expr()));
        self
    }
}

/// What AWS decides of a [`RouteTableAssociation`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RouteTableAssociationOutputs {
    /// Its id.
    pub id: RouteTableAssociationId,
}

impl Manage for RouteTableAssociation {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // By association and not by table: it finds the one that is adopted, and the one that was moved.
        let query = by("association.route-table-association-id", targets.iter().map(|t| t.id));
        let tables = describe::route_tables(&ec2, query).await?;
        let associations = tables.into_iter().flat_map(|table| table.associations.unwrap_or_default());
        Ok(align(targets, associations, |a| a.route_table_association_id(), |_, association| present(association)))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &RouteTableAssociationResolved,
        _: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .associate_route_table()
            .route_table_id(want.route_table_id.as_str())
            .set_subnet_id(want.subnet_id.as_ref().map(ToString::to_string))
            .set_gateway_id(want.gateway_id.as_ref().map(ToString::to_string))
            .set_public_ipv4_pool(want.public_ipv4_pool.clone());
        let made = once_known(cx, || ec2.write("AssociateRouteTable", || request.clone().send())).await;
        let answer = made.map_err(|error| match error.code.as_deref() {
            Some("Resource.AlreadyAssociated") => CloudError { kind: ErrorKind::AlreadyExists, ..error }.hint(
                "it follows another table already: disassociate it, or import that association by its id (rtbassoc-…)",
            ),
            _ => error,
        })?;
        let id = answer
            .association_id
            .ok_or_else(|| ec2.unexpected("AssociateRouteTable", "the answer names no association"))?;
        // Without a state, as most answers are, it is done.
        let pending = answer.association_state.and_then(|s| s.state).is_some_and(|s| s.as_str() != "associated");
        let outputs = RouteTableAssociationOutputs { id: RouteTableAssociationId::new(&id) };
        Ok(Created { id, outputs, complete: !pending })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &RouteTableAssociationResolved,
    ) -> Result<Option<RouteTableAssociationOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        until(cx, &format!("route table association {id}"), || async {
            let tables = describe::route_tables(&ec2, by("association.route-table-association-id", [id])).await?;
            let mut all = tables.iter().flat_map(|t| t.associations());
            let state = match all.find(|a| a.route_table_association_id() == Some(id)) {
                None => return Ok(Stage::Waiting("not listed yet".to_owned())),
                Some(association) => association.association_state(),
            };
            match state.and_then(|s| s.state()).map(sdk::RouteTableAssociationStateCode::as_str) {
                None | Some("associated") => Ok(Stage::Ready(None)),
                Some("failed") => {
                    let why = state.and_then(|s| s.status_message()).unwrap_or("AWS gives no reason");
                    Err(CloudError::local(ErrorKind::Other, format!("{id} failed: {why}")))
                }
                Some(state) => Ok(Stage::Waiting(state.to_owned())),
            }
        })
        .await
    }

    async fn update(
        _: &Aws,
        _: &Cx,
        _: &str,
        _: &RouteTableAssociationResolved,
        _: &RouteTableAssociationChange,
    ) -> Result<Option<RouteTableAssociationOutputs>, CloudError> {
        // Every field makes another association, and it has no tags: there is nothing that could change.
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&RouteTableAssociationResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.disassociate_route_table().association_id(id);
        once_free(cx, || ec2.write_idempotent("DisassociateRouteTable", || request.clone().send())).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RouteTableAssociationResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let tables = describe::route_tables(&ec2, by("route-table-id", [want.route_table_id.as_str()])).await?;
        // A main table's own association names nobody either, and is no program's.
        let explicit = |a: &&sdk::RouteTableAssociation| a.main() != Some(true) && !is_over(a);
        let mut associations = tables.iter().flat_map(|table| table.associations()).filter(explicit);
        let wanted = |a: &&sdk::RouteTableAssociation| {
            a.route_table_id() == Some(want.route_table_id.as_str())
                && a.subnet_id() == want.subnet_id.as_ref().map(SubnetId::as_str)
                && a.gateway_id() == want.gateway_id.as_ref().map(InternetGatewayId::as_str)
                && a.public_ipv4_pool() == want.public_ipv4_pool.as_deref()
        };
        let id = associations.find(wanted).and_then(|a| a.route_table_association_id());
        Ok(id.map(|id| Created {
            id: id.to_owned(),
            outputs: RouteTableAssociationOutputs { id: RouteTableAssociationId::new(id) },
            complete: false,
        }))
    }
}

fn is_over(association: &sdk::RouteTableAssociation) -> bool {
    let state = association.association_state().and_then(|s| s.state());
    state.is_some_and(|s| matches!(s.as_str(), "disassociated" | "disassociating" | "failed"))
}

fn present(association: &sdk::RouteTableAssociation) -> Found<RouteTableAssociation> {
    let (Some(id), Some(table)) = (association.route_table_association_id(), association.route_table_id()) else {
        return Found::Gone;
    };
    if is_over(association) {
        return Found::Gone;
    }
    let fields = RouteTableAssociationResolved {
        route_table_id: RouteTableId::new(table),
        subnet_id: association.subnet_id().map(SubnetId::new),
        gateway_id: association.gateway_id().map(InternetGatewayId::new),
        public_ipv4_pool: association.public_ipv4_pool.clone(),
    };
    Found::present(fields, RouteTableAssociationOutputs { id: RouteTableAssociationId::new(id) })
}
