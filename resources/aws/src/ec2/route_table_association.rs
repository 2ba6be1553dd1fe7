//! [`RouteTableAssociation`].

use aws_sdk_ec2::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Input;
use phx_model::value::Value;
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, Query, by};
use super::{
    Ec2, InternetGatewayId, RouteTableAssociationId, RouteTableId, SubnetId, UNTIL_FREE, VpnGatewayId, once_known,
};
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, eventually, until};

/// Which route table a subnet's traffic, or the traffic that enters through a gateway, follows. Exactly one of the optional fields is set.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateRouteTable.html>
///
/// Another table takes the place of the old one at once: there is no moment in which the VPC's main table is followed. AWS gives the association
/// a new id with it; from then on it is known by its subnet or gateway and its table.
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
    #[output(volatile(route_table_id))]
    pub id: RouteTableAssociationId,
}

impl Manage for RouteTableAssociation {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // By association and not by table: it finds the one that is adopted, and the one that was moved.
        let query = by("association.route-table-association-id", targets.iter().map(|t| t.id));
        let tables = describe::route_tables(&ec2, query).await?;
        let associations = tables.into_iter().flat_map(|table| table.associations.unwrap_or_default());
        let mut found =
            align(targets, associations, |a| a.route_table_association_id(), |_, association| present(association));
        // One that was given another table has another id since.
        let mut moved: Vec<(usize, Followed)> = Vec::new();
        for (at, target) in targets.iter().enumerate().filter(|(at, _)| matches!(found[*at], Found::Gone)) {
            moved.extend(Followed::of_inputs(target).map(|followed| (at, followed)));
        }
        if !moved.is_empty() {
            let there = explicit(&ec2, by("route-table-id", moved.iter().map(|(_, f)| f.table.as_str()))).await?;
            for (at, followed) in &moved {
                if let Some(association) = there.iter().find(|a| followed.is(a)) {
                    found[*at] = present(association);
                }
            }
        }
        Ok(found)
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
        settled(&aws.ec2(cx).await?, cx, id).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RouteTableAssociationResolved,
        change: &RouteTableAssociationChange,
    ) -> Result<Option<RouteTableAssociationOutputs>, CloudError> {
        let Some(table) = &change.route_table_id else { return Ok(None) };
        let ec2 = aws.ec2(cx).await?;
        let wanted = want.route_table_id.as_str();
        let before = table.before.as_ref().map(RouteTableId::as_str);
        let now = current(&ec2, id, want, before).await?.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..ec2.unexpected("DescribeRouteTables", format!("the association {id} is not there any more"))
        })?;
        let now_id = now.route_table_association_id().unwrap_or(id);
        let is_ours = now_id == id || now.route_table_id() == before;
        let new_id = match now.route_table_id() {
            // Made so by a call whose answer was lost.
            Some(there) if there == wanted => now_id.to_owned(),
            Some(other) if !is_ours => {
                let message =
                    format!("the association {id} is not there any more, and {other} is followed in its place");
                return Err(CloudError::local(ErrorKind::Other, message).hint(
                    "somebody else has changed it just now: look which table is the right one, and run `phx up` again",
                ));
            }
            _ => {
                let request = ec2.replace_route_table_association().association_id(now_id).route_table_id(wanted);
                let send = || ec2.write("ReplaceRouteTableAssociation", || request.clone().send());
                let answer = once_known(cx, send).await?;
                answer
                    .new_association_id
                    .ok_or_else(|| ec2.unexpected("ReplaceRouteTableAssociation", "the answer names no association"))?
            }
        };
        settled(&ec2, cx, &new_id).await?;
        Ok(Some(RouteTableAssociationOutputs { id: RouteTableAssociationId::new(new_id) }))
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        was: Option<&RouteTableAssociationResolved>,
    ) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        if disassociate(&ec2, cx, id).await? {
            return Ok(());
        }
        // It may have been given another table since, and another id with it.
        let Some(followed) = was.and_then(Followed::of_fields) else { return Ok(()) };
        let there = explicit(&ec2, by("route-table-id", [followed.table.as_str()])).await?;
        match there.iter().find(|a| followed.is(a)).and_then(|a| a.route_table_association_id()) {
            Some(id) => disassociate(&ec2, cx, id).await.map(drop),
            None => Ok(()),
        }
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

/// A subnet or a gateway and the table that it follows: what an association is known by whose id has changed. Pools are not told apart so.
#[derive(Debug)]
struct Followed {
    table: String,
    subnet: Option<String>,
    gateway: Option<String>,
}

impl Followed {
    fn of(table: Option<&str>, subnet: Option<&str>, gateway: Option<&str>) -> Option<Self> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let one = subnet.is_some() != gateway.is_some();
        Some(Self { table: owned(table)?, subnet: owned(subnet), gateway: owned(gateway) }).filter(|_| one)
    }

    fn of_inputs(target: &Target<'_>) -> Option<Self> {
        let text = |field: &str| target.inputs.get(field).and_then(Value::as_str);
        Self::of(text("route_table_id"), text("subnet_id"), text("gateway_id"))
    }

    fn of_fields(fields: &RouteTableAssociationResolved) -> Option<Self> {
        let subnet = fields.subnet_id.as_ref().map(SubnetId::as_str);
        let gateway = fields.gateway_id.as_ref().map(InternetGatewayId::as_str);
        Self::of(Some(fields.route_table_id.as_str()), subnet, gateway)
    }

    /// Whether an association is of the same subnet or gateway, with whichever table.
    fn is_of(&self, association: &sdk::RouteTableAssociation) -> bool {
        association.subnet_id() == self.subnet.as_deref() && association.gateway_id() == self.gateway.as_deref()
    }

    fn is(&self, association: &sdk::RouteTableAssociation) -> bool {
        self.is_of(association) && association.route_table_id() == Some(self.table.as_str())
    }
}

/// The associations that somebody made with these tables. A main table's own association names nobody.
async fn explicit(ec2: &Ec2, query: Query) -> Result<Vec<sdk::RouteTableAssociation>, CloudError> {
    let tables = describe::route_tables(ec2, query).await?;
    let associations = tables.into_iter().flat_map(|table| table.associations.unwrap_or_default());
    Ok(associations.filter(|a| a.main() != Some(true) && !is_over(a)).collect())
}

/// The association as it is now: a subnet's with whichever table, a gateway's with the one that it had or shall have.
async fn current(
    ec2: &Ec2,
    id: &str,
    want: &RouteTableAssociationResolved,
    before: Option<&str>,
) -> Result<Option<sdk::RouteTableAssociation>, CloudError> {
    if let Some(followed) = Followed::of_fields(want) {
        let query = match &followed.subnet {
            Some(subnet) => by("association.subnet-id", [subnet.as_str()]),
            // Emulators do not know the filter by gateway.
            None => by("route-table-id", before.into_iter().chain([followed.table.as_str()])),
        };
        return Ok(explicit(ec2, query).await?.into_iter().find(|a| followed.is_of(a)));
    }
    let tables = describe::route_tables(ec2, by("association.route-table-association-id", [id])).await?;
    let mut all = tables.into_iter().flat_map(|table| table.associations.unwrap_or_default());
    Ok(all.find(|a| a.route_table_association_id() == Some(id)))
}

/// Waits until an association is made.
async fn settled(ec2: &Ec2, cx: &Cx, id: &str) -> Result<(), CloudError> {
    until(cx, &format!("route table association {id}"), || async move {
        let tables = describe::route_tables(ec2, by("association.route-table-association-id", [id])).await?;
        let mut all = tables.iter().flat_map(|t| t.associations());
        let state = match all.find(|a| a.route_table_association_id() == Some(id)) {
            None => return Ok(Stage::Waiting("not listed yet".to_owned())),
            Some(association) => association.association_state(),
        };
        match state.and_then(|s| s.state()).map(sdk::RouteTableAssociationStateCode::as_str) {
            None | Some("associated") => Ok(Stage::Ready(())),
            Some("failed") => {
                let why = state.and_then(|s| s.status_message()).unwrap_or("AWS gives no reason");
                Err(CloudError::local(ErrorKind::Other, format!("{id} failed: {why}")))
            }
            Some(state) => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await
}

/// Takes an association away, and tells whether there was one.
async fn disassociate(ec2: &Ec2, cx: &Cx, id: &str) -> Result<bool, CloudError> {
    let request = ec2.disassociate_route_table().association_id(id);
    let send = || ec2.write_idempotent("DisassociateRouteTable", || request.clone().send());
    match eventually(cx, UNTIL_FREE, |e| e.kind == ErrorKind::InUse, send).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
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
