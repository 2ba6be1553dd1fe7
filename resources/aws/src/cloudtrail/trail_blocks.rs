//! What a trail's selectors say, and their forms in the API.

use aws_sdk_cloudtrail::types as sdk;
use phx_model::error::ErrorKind;
use phx_model::{Block, CloudError, Input, Value};

/// Which events are logged, in the older form.
#[derive(Clone, Debug, Block)]
pub struct EventSelector {
    /// `All` (AWS's default), `ReadOnly` or `WriteOnly`.
    #[field(cloud_default)]
    pub read_write_type: Option<Input<String>>,
    /// Whether management events are logged. AWS's default: yes.
    #[field(cloud_default)]
    pub include_management_events: Option<Input<bool>>,
    /// Whose data events are logged.
    #[field(set)]
    pub data_resources: Option<Input<Vec<DataResource>>>,
    /// Services whose management events are not logged: `kms.amazonaws.com`, `rdsdata.amazonaws.com`.
    #[field(set)]
    pub exclude_management_event_sources: Option<Input<Vec<String>>>,
}

/// Objects whose data events are logged.
#[derive(Clone, Debug, Block)]
pub struct DataResource {
    /// Their kind: `AWS::S3::Object`, `AWS::Lambda::Function`, `AWS::DynamoDB::Table`.
    pub r#type: Input<String>,
    /// Their ARNs, or beginnings of them.
    #[field(set)]
    pub values: Option<Input<Vec<String>>>,
}

/// Which events are logged, in the newer form.
#[derive(Clone, Debug, Block)]
pub struct AdvancedEventSelector {
    /// What it is for.
    pub name: Option<Input<String>>,
    /// What an event is like; one on `eventCategory` is among them.
    #[field(set)]
    pub field_selectors: Input<Vec<AdvancedFieldSelector>>,
}

/// What one of an event's fields is like. The values of one comparison are alternatives.
#[derive(Clone, Debug, Block)]
pub struct AdvancedFieldSelector {
    /// The field: `eventCategory`, `resources.type`, `resources.ARN`, `readOnly`, `eventSource`, `eventName`, …
    pub field: Input<String>,
    /// It is one of these.
    #[field(set)]
    pub equals: Option<Input<Vec<String>>>,
    /// It begins like one of these.
    #[field(set)]
    pub starts_with: Option<Input<Vec<String>>>,
    /// It ends like one of these.
    #[field(set)]
    pub ends_with: Option<Input<Vec<String>>>,
    /// It is none of these.
    #[field(set)]
    pub not_equals: Option<Input<Vec<String>>>,
    /// It begins like none of these.
    #[field(set)]
    pub not_starts_with: Option<Input<Vec<String>>>,
    /// It ends like none of these.
    #[field(set)]
    pub not_ends_with: Option<Input<Vec<String>>>,
}

/// What unusual activity is looked for.
#[derive(Clone, Debug, Block)]
pub struct InsightSelector {
    /// `ApiCallRateInsight` or `ApiErrorRateInsight`.
    pub insight_type: Input<String>,
    /// Among which events: `Management` (AWS's default), `Data`.
    #[field(set, normalize = management_is_unset)]
    pub event_categories: Option<Input<Vec<String>>>,
}

/// What AWS looks among unless told otherwise.
fn management_is_unset(value: &Value) -> Value {
    match value.expose() {
        Value::List(items) if items.len() == 1 && items[0].as_str() == Some("Management") => Value::Null,
        other => other.clone(),
    }
}

/// A list; `None` where there is nothing in it.
fn texts(texts: &[String]) -> Option<Vec<String>> {
    Some(texts.to_vec()).filter(|texts| !texts.is_empty())
}

fn invalid(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

pub(super) fn selector(want: &EventSelectorResolved) -> sdk::EventSelector {
    let data = |d: &DataResourceResolved| {
        sdk::DataResource::builder().r#type(&d.r#type).set_values(Some(d.values.clone().unwrap_or_default())).build()
    };
    sdk::EventSelector::builder()
        .set_read_write_type(want.read_write_type.as_deref().map(sdk::ReadWriteType::from))
        .set_include_management_events(want.include_management_events)
        .set_data_resources(want.data_resources.as_ref().map(|all| all.iter().map(data).collect()))
        .set_exclude_management_event_sources(want.exclude_management_event_sources.clone())
        .build()
}

pub(super) fn selector_of(selector: &sdk::EventSelector) -> EventSelectorResolved {
    let data = |d: &sdk::DataResource| {
        Some(DataResourceResolved { r#type: d.r#type()?.to_owned(), values: texts(d.values()) })
    };
    let resources: Vec<_> = selector.data_resources().iter().filter_map(data).collect();
    EventSelectorResolved {
        read_write_type: selector.read_write_type().map(|t| t.as_str().to_owned()),
        include_management_events: selector.include_management_events(),
        data_resources: (!resources.is_empty()).then_some(resources),
        exclude_management_event_sources: texts(selector.exclude_management_event_sources()),
    }
}

pub(super) fn advanced(want: &AdvancedEventSelectorResolved) -> Result<sdk::AdvancedEventSelector, CloudError> {
    let field = |f: &AdvancedFieldSelectorResolved| {
        sdk::AdvancedFieldSelector::builder()
            .field(&f.field)
            .set_equals(f.equals.clone())
            .set_starts_with(f.starts_with.clone())
            .set_ends_with(f.ends_with.clone())
            .set_not_equals(f.not_equals.clone())
            .set_not_starts_with(f.not_starts_with.clone())
            .set_not_ends_with(f.not_ends_with.clone())
            .build()
            .map_err(invalid)
    };
    sdk::AdvancedEventSelector::builder()
        .set_name(want.name.clone())
        .set_field_selectors(Some(want.field_selectors.iter().map(field).collect::<Result<_, _>>()?))
        .build()
        .map_err(invalid)
}

pub(super) fn advanced_of(selector: &sdk::AdvancedEventSelector) -> AdvancedEventSelectorResolved {
    let field = |f: &sdk::AdvancedFieldSelector| AdvancedFieldSelectorResolved {
        field: f.field().to_owned(),
        equals: texts(f.equals()),
        starts_with: texts(f.starts_with()),
        ends_with: texts(f.ends_with()),
        not_equals: texts(f.not_equals()),
        not_starts_with: texts(f.not_starts_with()),
        not_ends_with: texts(f.not_ends_with()),
    };
    AdvancedEventSelectorResolved {
        name: selector.name().filter(|n| !n.is_empty()).map(str::to_owned),
        field_selectors: selector.field_selectors().iter().map(field).collect(),
    }
}

pub(super) fn insight(want: &InsightSelectorResolved) -> sdk::InsightSelector {
    let categories = |all: &Vec<String>| all.iter().map(|c| c.as_str().into()).collect();
    sdk::InsightSelector::builder()
        .insight_type(want.insight_type.as_str().into())
        .set_event_categories(want.event_categories.as_ref().map(categories))
        .build()
}

pub(super) fn insight_of(selector: &sdk::InsightSelector) -> Option<InsightSelectorResolved> {
    let categories: Vec<_> = selector.event_categories().iter().map(|c| c.as_str().to_owned()).collect();
    Some(InsightSelectorResolved {
        insight_type: selector.insight_type()?.as_str().to_owned(),
        event_categories: (!categories.is_empty()).then_some(categories),
    })
}
