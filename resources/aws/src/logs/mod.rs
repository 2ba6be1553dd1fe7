//! CloudWatch Logs.
//!
//! Filters and resource policies bear no tags and are written by calls that also overwrite: phx looks first, and takes over only what
//! is just as the program wants it.

pub mod log_group;
pub mod metric_filter;
pub mod resource_policy;
pub mod subscription_filter;

pub use log_group::LogGroup;
pub use metric_filter::{MetricFilter, MetricTransformation};
pub use resource_policy::ResourcePolicy;
pub use subscription_filter::SubscriptionFilter;

pub use crate::ids::LogGroupName;

use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::manage;

/// CloudWatch Logs in one place.
pub type Logs = Service<aws_sdk_cloudwatchlogs::Client>;

/// DescribeMetricFilters and DescribeSubscriptionFilters give so many at once.
const FILTERS: i32 = 50;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<LogGroup>(registry, aws);
    manage::register::<MetricFilter>(registry, aws);
    manage::register::<ResourcePolicy>(registry, aws);
    manage::register::<SubscriptionFilter>(registry, aws);
}

/// Log group and filter of a filter's id: `GROUP:FILTER`. Neither name may hold a colon.
fn split(id: &str) -> Option<(&str, &str)> {
    id.split_once(':').filter(|(group, filter)| !group.is_empty() && !filter.is_empty())
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} names no log group and filter"))
        .hint("write it as GROUP:FILTER: /aws/eks/demo/cluster:errors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filters_id_is_group_and_filter() {
        assert_eq!(split("/aws/eks/demo:errors"), Some(("/aws/eks/demo", "errors")));
        for bad in ["", "group", ":filter", "group:"] {
            assert_eq!(split(bad), None, "{bad}");
        }
        assert_eq!(malformed("x").kind, ErrorKind::Invalid);
    }
}
