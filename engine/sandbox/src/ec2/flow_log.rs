//! Flow logs.

use serde_json::{Value, json};

use super::spec::Kind;
use super::{Answer, Region, form, object, text};
use crate::wire::{Fault, Params};

/// AWS's default format.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>
const FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} \
                      ${bytes} ${start} ${end} ${action} ${log-status}";

impl Region {
    /// Makes a flow log for each resource; which it refuses is told in the answer.
    pub(super) fn create_flow_logs(&mut self, p: &Params) -> Answer {
        if let Some(token) = p.get("ClientToken") {
            let same = |o: &super::Object| o.hidden.get("clientToken").and_then(Value::as_str) == Some(token);
            let made: Vec<&String> = self.of(Kind::VpcFlowLog).filter(|(_, o)| same(o)).map(|(id, _)| id).collect();
            if !made.is_empty() {
                return Ok(json!({"clientToken": token, "flowLogIdSet": made, "unsuccessful": []}));
            }
        }
        let resources = p.list("ResourceId");
        if resources.is_empty() {
            return Err(Fault::new("MissingParameter", "The request must contain the parameter ResourceId"));
        }
        let kind = match p.required("ResourceType")? {
            "VPC" => Kind::Vpc,
            "Subnet" => Kind::Subnet,
            "NetworkInterface" => Kind::NetworkInterface,
            other => return Err(Fault::not_implemented(&format!("flow logs of a {other}"))),
        };
        let traffic = p.required("TrafficType")?;
        if !["ACCEPT", "REJECT", "ALL"].contains(&traffic) {
            return Err(Fault::invalid(format!("Invalid value '{traffic}' for TrafficType")));
        }
        let mut fields = self.destination(p)?;
        let interval = p.number("MaxAggregationInterval")?.unwrap_or(600);
        if ![60, 600].contains(&interval) {
            return Err(Fault::new(
                "InvalidParameter",
                format!("Invalid value '{interval}' for MaxAggregationInterval"),
            ));
        }
        fields["trafficType"] = json!(traffic);
        fields["maxAggregationInterval"] = json!(interval);
        fields["logFormat"] = json!(p.get("LogFormat").unwrap_or(FORMAT));
        fields["creationTime"] = json!(jiff::Timestamp::now().to_string());
        fields["flowLogStatus"] = json!("ACTIVE");
        fields["deliverLogsStatus"] = json!("SUCCESS");
        fields["deliverCrossAccountRole"] = json!(p.get("DeliverCrossAccountRole"));
        let mut tag_fields = form::shown(p, "");
        fields["tagFieldSpecificationSet"] = tag_fields.remove("tagFieldSpecificationSet").unwrap_or_default();

        let (mut made, mut refused) = (Vec::new(), Vec::new());
        for id in resources {
            let there = self.described(kind).contains_key(id);
            let destination = fields["logDestination"].as_str().unwrap_or_default();
            let same = |o: &super::Object| text(o, "resourceId") == id && text(o, "logDestination") == destination;
            let fault = if !there {
                Some(super::unknown_id(kind.spec(), id))
            } else if self.of(Kind::VpcFlowLog).any(|(_, o)| same(o)) {
                let message = format!(
                    "Error. There is an existing Flow Log with the same configuration and log destination for {id}"
                );
                Some(Fault::new("FlowLogAlreadyExists", message))
            } else {
                None
            };
            match fault {
                Some(fault) => refused.push(unsuccessful(id, &fault)),
                None => {
                    let mut fields = fields.clone();
                    fields["resourceId"] = json!(id);
                    made.push(self.add(Kind::VpcFlowLog, "flowLogId", fields, p));
                }
            }
        }
        Ok(json!({"clientToken": p.get("ClientToken"), "flowLogIdSet": made, "unsuccessful": refused}))
    }

    /// Where the records go, and what that needs.
    fn destination(&self, p: &Params) -> Result<Value, Fault> {
        let kind = p.get("LogDestinationType").unwrap_or("cloud-watch-logs");
        let role = p.get("DeliverLogsPermissionArn");
        let (group, destination) = (p.get("LogGroupName"), p.get("LogDestination"));
        let missing = |what: &str| Fault::new("InvalidParameter", what.to_owned());
        match kind {
            "cloud-watch-logs" => {
                let role = role.ok_or_else(|| {
                    missing("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")
                })?;
                let prefix = format!("arn:aws:logs:{}:{}:log-group:", self.name, self.account);
                let group = match (group, destination) {
                    (Some(group), None) => group,
                    (None, Some(arn)) => {
                        let of_streams = arn.strip_suffix(":*").unwrap_or(arn);
                        let wrong = || missing("LogDestination is not the ARN of a log group of this region");
                        of_streams.strip_prefix(&prefix).ok_or_else(wrong)?
                    }
                    _ => return Err(missing("Please only provide one of LogGroupName and LogDestination.")),
                };
                Ok(json!({
                    "logDestinationType": kind, "logGroupName": group, "logDestination": format!("{prefix}{group}"),
                    "deliverLogsPermissionArn": role,
                }))
            }
            "s3" | "kinesis-data-firehose" => {
                if role.is_some() {
                    return Err(missing("DeliverLogsPermissionArn is not applicable for this LogDestinationType."));
                }
                let service = if kind == "s3" { "arn:aws:s3:::" } else { "arn:aws:firehose:" };
                let destination = destination.filter(|arn| arn.starts_with(service));
                let destination =
                    destination.ok_or_else(|| missing("LogDestination is not an ARN of such a destination"))?;
                let mut fields = json!({"logDestinationType": kind, "logDestination": destination});
                if kind == "s3" {
                    let mut options = object(
                        json!({"fileFormat": "plain-text", "hiveCompatiblePartitions": false, "perHourPartition": false}),
                    );
                    form::over(&mut options, form::shown(p, "DestinationOptions"));
                    fields["destinationOptions"] = Value::Object(options);
                }
                Ok(fields)
            }
            other => Err(missing(&format!("Invalid value '{other}' for LogDestinationType"))),
        }
    }

    pub(super) fn delete_flow_logs(&mut self, p: &Params) -> Answer {
        let mut refused = Vec::new();
        for id in p.list("FlowLogId") {
            match self.get(Kind::VpcFlowLog, id) {
                Ok(_) => drop(self.objects.remove(id)),
                Err(fault) => refused.push(unsuccessful(id, &fault)),
            }
        }
        Ok(json!({"unsuccessful": refused}))
    }

    /// A resource takes its flow logs along.
    pub(super) fn forget_flow_logs(&mut self, resource: &str) {
        self.objects.retain(|_, o| o.kind != Kind::VpcFlowLog || text(o, "resourceId") != resource);
    }
}

/// One of many objects that a call did not serve.
pub(super) fn unsuccessful(id: &str, fault: &Fault) -> Value {
    json!({"resourceId": id, "error": {"code": fault.code, "message": fault.message}})
}
