//! Expressions of costs in the form of the Cost Explorer API.

use aws_sdk_costexplorer::types as sdk;
use phx_model::CloudError;

use super::incomplete;
use crate::cost_expression::{Expression, Values};

pub(super) fn to_sdk(expression: &Expression) -> Result<sdk::Expression, CloudError> {
    let all = |parts: &Vec<Expression>| parts.iter().map(to_sdk).collect::<Result<Vec<_>, _>>();
    let match_options = |v: &Values| {
        Some(v.match_options.iter().map(|o| o.as_str().into()).collect::<Vec<_>>()).filter(|all| !all.is_empty())
    };
    let dimensions = expression.dimensions.as_ref().map(|v| {
        sdk::DimensionValues::builder()
            .set_key(v.key.as_deref().map(sdk::Dimension::from))
            .set_values(Some(v.values.clone()))
            .set_match_options(match_options(v))
            .build()
    });
    let tags = expression.tags.as_ref().map(|v| {
        sdk::TagValues::builder()
            .set_key(v.key.clone())
            .set_values(Some(v.values.clone()))
            .set_match_options(match_options(v))
            .build()
    });
    let categories = expression.cost_categories.as_ref().map(|v| {
        sdk::CostCategoryValues::builder()
            .set_key(v.key.clone())
            .set_values(Some(v.values.clone()))
            .set_match_options(match_options(v))
            .build()
    });
    let attributes = expression.product_attributes.as_ref().map(|v| {
        sdk::ProductAttributeValues::builder()
            .set_key(v.key.clone())
            .set_values(Some(v.values.clone()))
            .set_match_options(match_options(v))
            .build()
            .map_err(incomplete)
    });
    Ok(sdk::Expression::builder()
        .set_or(expression.or.as_ref().map(all).transpose()?)
        .set_and(expression.and.as_ref().map(all).transpose()?)
        .set_not(expression.not.as_deref().map(|e| to_sdk(e).map(Box::new)).transpose()?)
        .set_dimensions(dimensions)
        .set_tags(tags)
        .set_cost_categories(categories)
        .set_product_attributes(attributes.transpose()?)
        .build())
}

pub(super) fn from_sdk(expression: &sdk::Expression) -> Expression {
    let all = |parts: &[sdk::Expression]| {
        Some(parts.iter().map(from_sdk).collect::<Vec<_>>()).filter(|parts| !parts.is_empty())
    };
    let values = |key: Option<&str>, values: &[String], options: &[sdk::MatchOption]| Values {
        key: key.map(str::to_owned),
        values: values.to_vec(),
        match_options: options.iter().map(|o| o.as_str().to_owned()).collect(),
    };
    Expression {
        or: all(expression.or()),
        and: all(expression.and()),
        not: expression.not().map(|e| Box::new(from_sdk(e))),
        dimensions: expression
            .dimensions()
            .map(|v| values(v.key().map(sdk::Dimension::as_str), v.values(), v.match_options())),
        tags: expression.tags().map(|v| values(v.key(), v.values(), v.match_options())),
        cost_categories: expression.cost_categories().map(|v| values(v.key(), v.values(), v.match_options())),
        product_attributes: expression
            .product_attributes()
            .map(|v| values(Some(v.key()), v.values(), v.match_options())),
    }
}
