//! Parameter groups.
//!
//! What parameters an engine has is known of those only that take a restart; any other name is taken for a parameter that takes none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::Engine;
use super::{Fault, Params, Rds, Tags, fault, filters, invalid, listed, name, new_tags, only, unfit};
use crate::service::Call;

/// A group of parameters.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct ParameterGroup {
    pub(super) arn: String,
    pub(super) family: String,
    description: String,
    /// Those that were set, by name: value and method.
    #[serde(default)]
    parameters: BTreeMap<String, (String, String)>,
    #[serde(default)]
    pub(super) tags: Tags,
}

/// Parameters that are read when a database starts, by the beginning of their families' names.
const STATIC: [(&str, &[&str]); 3] = [
    (
        "postgres",
        &[
            "autovacuum_freeze_max_age",
            "autovacuum_max_workers",
            "autovacuum_multixact_freeze_max_age",
            "huge_pages",
            "max_connections",
            "max_files_per_process",
            "max_locks_per_transaction",
            "max_logical_replication_workers",
            "max_pred_locks_per_transaction",
            "max_prepared_transactions",
            "max_replication_slots",
            "max_wal_senders",
            "max_worker_processes",
            "pg_stat_statements.max",
            "rds.custom_dns_resolution",
            "rds.logical_replication",
            "shared_buffers",
            "shared_preload_libraries",
            "superuser_reserved_connections",
            "track_activity_query_size",
            "track_commit_timestamp",
            "wal_buffers",
        ],
    ),
    ("mysql", MYSQL),
    ("mariadb", MYSQL),
];
const MYSQL: &[&str] = &[
    "back_log",
    "ft_min_word_len",
    "innodb_buffer_pool_instances",
    "innodb_ft_min_token_size",
    "innodb_log_file_size",
    "innodb_page_cleaners",
    "innodb_purge_threads",
    "innodb_read_io_threads",
    "innodb_write_io_threads",
    "lower_case_table_names",
    "performance_schema",
    "skip_name_resolve",
    "table_open_cache_instances",
];
/// The beginnings of the names of families that RDS has.
const FAMILIES: [&str; 9] =
    ["aurora-mysql", "aurora-postgresql", "custom-", "db2-", "mariadb", "mysql", "oracle-", "postgres", "sqlserver-"];
/// How many parameters one call changes.
const AT_ONCE: usize = 20;

impl ParameterGroup {
    fn static_ones(&self) -> &'static [&'static str] {
        let family = STATIC.iter().find(|(family, _)| self.family.contains(family));
        family.map(|(_, names)| *names).unwrap_or_default()
    }

    fn shown(&self, name: &str) -> Value {
        json!({
            "DBParameterGroupName": name, "DBParameterGroupFamily": self.family, "Description": self.description,
            "DBParameterGroupArn": self.arn,
        })
    }

    fn parameter(&self, name: &str) -> Value {
        let set = self.parameters.get(name);
        json!({
            "ParameterName": name, "ParameterValue": set.map(|(value, _)| value),
            "ApplyMethod": set.map_or("pending-reboot", |(_, method)| method.as_str()),
            "Source": if set.is_some() { "user" } else { "engine-default" },
            "ApplyType": if self.static_ones().contains(&name) { "static" } else { "dynamic" }, "DataType": "string", "IsModifiable": true,
        })
    }
}

/// What a request says of parameters: names, values and methods.
fn said(form: &Params) -> Result<Vec<(String, Option<String>, String)>, Fault> {
    let members = form.members("Parameters.Parameter");
    if members.len() > AT_ONCE {
        return Err(invalid(format!("A request changes {AT_ONCE} parameters at most, not {}", members.len())));
    }
    let one = |parameter: &String| {
        let name = form.required(&format!("{parameter}.ParameterName"))?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.chars().all(fits) {
            return Err(invalid(format!("Could not find parameter with name: {name}")));
        }
        let value = form.get(&format!("{parameter}.ParameterValue")).map(str::to_owned);
        let method = form.get(&format!("{parameter}.ApplyMethod")).unwrap_or_default().to_owned();
        Ok((name.to_owned(), value, method))
    };
    members.iter().map(one).collect()
}

impl Rds {
    fn parameter_group(&self, name: &str) -> Result<&ParameterGroup, Fault> {
        self.parameter_groups.get(&name.to_ascii_lowercase()).ok_or_else(|| missing(name))
    }

    /// A group that can be changed: not one of RDS's own.
    fn own_group(&mut self, form: &Params) -> Result<(String, &mut ParameterGroup), Fault> {
        let name = form.required("DBParameterGroupName")?.to_ascii_lowercase();
        if name.starts_with("default.") {
            return Err(Fault::new(
                "InvalidDBParameterGroupState",
                format!("Default DBParameterGroup cannot be modified or deleted: {name}"),
            ));
        }
        let group = self.parameter_groups.get_mut(&name).ok_or_else(|| missing(&name))?;
        Ok((name, group))
    }

    /// The group for an instance of a version: the one that is wished, or RDS's own, which is made when it is first used.
    pub(super) fn parameter_group_for(
        &mut self,
        call: &Call,
        engine: &Engine,
        version: &str,
        wished: Option<&str>,
    ) -> Result<String, Fault> {
        let family = engine.family(version);
        let own = format!("default.{family}");
        let name = wished.unwrap_or(&own);
        if name == own && !self.parameter_groups.contains_key(&own) {
            let arn = call.arn("rds", &format!("pg:{own}"));
            let description = format!("Default parameter group for {family}");
            let group = ParameterGroup { arn, family: family.clone(), description, ..ParameterGroup::default() };
            self.parameter_groups.insert(own.clone(), group);
        }
        let there = self.parameter_group(name)?;
        if there.family != family {
            return Err(unfit(format!(
                "The parameter group {name} with DBParameterGroupFamily {} can't be used for this instance. Please use a parameter group with DBParameterGroupFamily {family}.",
                there.family
            )));
        }
        Ok(name.to_owned())
    }

    pub(super) fn create_parameter_group(&mut self, call: &Call) -> Result<Value, Fault> {
        let form = &call.form;
        only(form, &call.action, &["DBParameterGroupFamily", "DBParameterGroupName", "Description", "Tags"])?;
        let name = name(form, "DBParameterGroupName")?;
        if self.parameter_groups.contains_key(&name) {
            return Err(Fault::new("DBParameterGroupAlreadyExists", format!("Parameter group {name} already exists")));
        }
        let family = form.required("DBParameterGroupFamily")?;
        if !FAMILIES.iter().any(|known| family.starts_with(known)) {
            return Err(invalid(format!("ParameterGroupFamily {family} is not a valid parameter group family")));
        }
        let group = ParameterGroup {
            arn: call.arn("rds", &format!("pg:{name}")),
            family: family.to_owned(),
            description: form.required("Description")?.to_owned(),
            parameters: BTreeMap::new(),
            tags: new_tags(form)?,
        };
        let shown = json!({"DBParameterGroup": group.shown(&name)});
        self.parameter_groups.insert(name, group);
        Ok(shown)
    }

    pub(super) fn describe_parameter_groups(&self, call: &Call) -> Result<Value, Fault> {
        let form = &call.form;
        filters(form, &[])?;
        let all = match form.get("DBParameterGroupName") {
            Some(name) => vec![self.parameter_group(name)?.shown(&name.to_ascii_lowercase())],
            None => self.parameter_groups.iter().map(|(name, group)| group.shown(name)).collect(),
        };
        listed(form, "DBParameterGroups", "DBParameterGroup", all)
    }

    pub(super) fn delete_parameter_group(&mut self, form: &Params) -> Result<Value, Fault> {
        let name = form.required("DBParameterGroupName")?.to_ascii_lowercase();
        let used = self.instances.values().any(|instance| instance.parameter_group() == name);
        self.own_group(form)?;
        if used {
            return Err(Fault::new(
                "InvalidDBParameterGroupState",
                format!(
                    "One or more database instances are still members of this parameter group {name}, so the group cannot be deleted"
                ),
            ));
        }
        self.parameter_groups.remove(&name);
        Ok(json!({}))
    }

    pub(super) fn describe_parameters(&self, form: &Params) -> Result<Value, Fault> {
        let group = self.parameter_group(form.required("DBParameterGroupName")?)?;
        let filters = filters(form, &["parameter-name"])?;
        let set = group.parameters.keys().map(String::as_str);
        let mut names: Vec<&str> = match (form.get("Source"), filters.first()) {
            (Some("user"), _) => set.collect(),
            (Some("system"), _) => Vec::new(),
            (Some("engine-default"), None) => group.static_ones().to_vec(),
            (_, Some((_, asked))) => asked.clone(),
            (_, None) => set.chain(group.static_ones().iter().copied()).collect(),
        };
        names.retain(|name| filters.iter().all(|(_, asked)| asked.contains(name)));
        if form.get("Source") == Some("engine-default") {
            names.retain(|name| !group.parameters.contains_key(*name));
        }
        names.sort_unstable();
        names.dedup();
        listed(form, "Parameters", "Parameter", names.into_iter().map(|name| group.parameter(name)).collect())
    }

    pub(super) fn modify_parameter_group(&mut self, form: &Params) -> Result<Value, Fault> {
        only(form, "ModifyDBParameterGroup", &["DBParameterGroupName", "Parameters"])?;
        let new = said(form)?;
        let (name, group) = self.own_group(form)?;
        for (parameter, value, method) in new {
            let value = value.ok_or_else(|| invalid(format!("The parameter {parameter} has no value")))?;
            match method.as_str() {
                "pending-reboot" => {}
                "immediate" if group.static_ones().contains(&parameter.as_str()) => {
                    return Err(unfit(format!("cannot use immediate apply method for static parameter: {parameter}")));
                }
                "immediate" => {}
                other => return Err(invalid(format!("Invalid apply method of {parameter}: {other:?}"))),
            }
            group.parameters.insert(parameter, (value, method));
        }
        Ok(json!({"DBParameterGroupName": name}))
    }

    pub(super) fn reset_parameter_group(&mut self, form: &Params) -> Result<Value, Fault> {
        only(form, "ResetDBParameterGroup", &["DBParameterGroupName", "Parameters", "ResetAllParameters"])?;
        let gone = said(form)?;
        // AWS's default is all, unless some are said.
        let all = form.flag("ResetAllParameters").unwrap_or(gone.is_empty());
        let (name, group) = self.own_group(form)?;
        if all {
            group.parameters.clear();
        }
        for (parameter, ..) in gone {
            group.parameters.remove(&parameter);
        }
        Ok(json!({"DBParameterGroupName": name}))
    }
}

fn missing(name: &str) -> Fault {
    fault(404, "DBParameterGroupNotFound", format!("DBParameterGroup not found: {name}"))
}
