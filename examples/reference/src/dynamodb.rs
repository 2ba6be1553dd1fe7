//! The examples of `dynamodb` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:dynamodb:Table", table_example::program),
    ("aws:dynamodb:TableItem", table_item_example::program),
];

mod table_example {
    use phx::aws::dynamodb::{AttributeDefinition, Table};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let table = stack.add(
            "main",
            Table::new("main")
                .attribute_definitions([AttributeDefinition::new("main", "main")])
                .billing_mode("PROVISIONED")
                .table_class("STANDARD")
                .tag("Name", "main"),
        )?;
        stack.export("arn", table.arn())?;
        Ok(())
    }
}

mod table_item_example {
    use phx::aws::dynamodb::TableItem;
    use phx::aws::ids::TableName;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let table_item = stack.add(
            "main",
            TableItem::new(TableName::new("main"), Json::parse(r#"{"id": {"S": "a"}}"#)?)
                .item(Json::parse(r#"{"count": {"N": "3"}, "names": {"SS": ["x", "y"]}}"#)?),
        )?;
        stack.export("id", table_item.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::dynamodb::{AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, LocalSecondaryIndex, OnDemandThroughput, PointInTimeRecoverySpecification, Projection, ProvisionedThroughput, Replica, ReplicaIndex, SseSpecification, StreamSpecification, TimeToLiveSpecification, WarmThroughput};
}
