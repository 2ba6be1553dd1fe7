//! What RDS offers: engines with their versions, and classes of instances.
//!
//! It is a catalogue of a day, the last of January 2026, and not AWS's own: a version that it lacks is taken all the same, if its major version
//! is known.

use serde_json::{Value, json};

use super::{Fault, Params, filters, invalid, listed, unfit};

/// An engine.
pub(super) struct Engine {
    pub(super) name: &'static str,
    description: &'static str,
    pub(super) port: i64,
    pub(super) license: &'static str,
    /// How many of a version's numbers are the major version.
    major: usize,
    /// The logs that can be sent to CloudWatch.
    pub(super) logs: &'static [&'static str],
    /// The newest first, by major version.
    versions: &'static [&'static str],
    /// The version of an instance that names none.
    default: &'static str,
}

const ENGINES: [Engine; 3] = [
    Engine {
        name: "postgres",
        description: "PostgreSQL",
        port: 5432,
        license: "postgresql-license",
        major: 1,
        logs: &["iam-db-auth-error", "postgresql", "upgrade"],
        versions: &[
            "18.1", "17.7", "17.6", "17.5", "16.11", "16.10", "16.9", "15.15", "15.14", "15.13", "14.20", "14.19",
            "14.18", "13.23",
        ],
        default: "17.7",
    },
    Engine {
        name: "mysql",
        description: "MySQL Community Edition",
        port: 3306,
        license: "general-public-license",
        major: 2,
        logs: &["audit", "error", "general", "iam-db-auth-error", "slowquery"],
        versions: &["8.4.7", "8.4.6", "8.4.5", "8.0.44", "8.0.43", "8.0.42"],
        default: "8.4.7",
    },
    Engine {
        name: "mariadb",
        description: "MariaDB Community Edition",
        port: 3306,
        license: "general-public-license",
        major: 2,
        logs: &["audit", "error", "general", "iam-db-auth-error", "slowquery"],
        versions: &["11.8.5", "11.8.3", "11.4.9", "11.4.8", "10.11.15", "10.11.14", "10.6.24", "10.6.23"],
        default: "11.4.9",
    },
];

/// Classes of instances that are told in lists, and the sizes that all of them have. Others are taken as well.
const CLASSES: [(&str, &[&str]); 12] = [
    ("db.t3", &["micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    ("db.t4g", &["micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    ("db.m5", SIZES),
    ("db.m6g", SIZES),
    ("db.m6i", SIZES),
    ("db.m7g", SIZES),
    ("db.m7i", SIZES),
    ("db.r5", SIZES),
    ("db.r6g", SIZES),
    ("db.r6i", SIZES),
    ("db.r7g", SIZES),
    ("db.r7i", SIZES),
];
const SIZES: &[&str] = &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"];
/// The authorities that sign instances' certificates; the first is what an instance has that names none.
pub(super) const AUTHORITIES: [&str; 3] = ["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"];

/// An engine by its name.
pub(super) fn engine(name: &str) -> Result<&'static Engine, Fault> {
    let others = ["aurora", "custom-", "db2-", "oracle-", "sqlserver-"];
    match ENGINES.iter().find(|engine| engine.name == name) {
        Some(engine) => Ok(engine),
        None if others.iter().any(|other| name.starts_with(other)) => {
            Err(Fault::not_implemented(&format!("instances of the engine {name}")))
        }
        None => Err(invalid(format!("Invalid DB engine: {name}"))),
    }
}

impl Engine {
    /// The major version of a version: `16` of `16.4`, `8.0` of `8.0.39`.
    pub(super) fn major<'v>(&self, version: &'v str) -> &'v str {
        let ends = version.match_indices('.').map(|(at, _)| at).nth(self.major - 1);
        ends.map_or(version, |end| &version[..end])
    }

    /// The family of parameter groups of a version: `postgres16`.
    pub(super) fn family(&self, version: &str) -> String {
        format!("{}{}", self.name, self.major(version))
    }

    /// The option group of an instance that names none: `default:mysql-8-4`.
    pub(super) fn option_group(&self, version: &str) -> String {
        format!("default:{}-{}", self.name, self.major(version).replace('.', "-"))
    }

    /// The version that is meant: what is said, completed to the newest of that beginning.
    pub(super) fn version(&self, said: Option<&str>) -> Result<String, Fault> {
        let Some(said) = said else { return Ok(self.default.to_owned()) };
        let completes =
            |version: &&&str| version.strip_prefix(said).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if let Some(version) = self.versions.iter().find(completes) {
            return Ok((*version).to_owned());
        }
        let numbers = said.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let known = self.versions.iter().any(|version| self.major(version) == self.major(said));
        if numbers && known && self.major(said) != said {
            return Ok(said.to_owned());
        }
        Err(unfit(format!("Cannot find version {said} for {}", self.name)))
    }
}

/// The numbers of a version, to be compared.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// Refuses what is not written as a class is.
pub(super) fn check_class(class: &str) -> Result<(), Fault> {
    let parts: Vec<&str> = class.split('.').collect();
    let fits = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match parts.as_slice() {
        ["db", family, size] if fits(family) && fits(size) => Ok(()),
        _ => Err(invalid(format!("Invalid DB Instance class: {class}"))),
    }
}

pub(super) fn describe_engine_versions(form: &Params) -> Result<Value, Fault> {
    let known = ["db-parameter-group-family", "engine", "engine-mode", "engine-version", "status"];
    let filters = filters(form, &known)?;
    let wanted = form.get("Engine");
    if let Some(name) = wanted {
        engine(name)?;
    }
    let default_only = form.flag("DefaultOnly") == Some(true);
    let mut all = Vec::new();
    for engine in ENGINES.iter().filter(|engine| wanted.is_none_or(|wanted| wanted == engine.name)) {
        let default = engine.version(form.get("EngineVersion").or(Some(engine.default))).unwrap_or_default();
        for version in engine.versions {
            let family = engine.family(version);
            let is_beginning =
                |said: &str| version.strip_prefix(said).is_some_and(|r| r.is_empty() || r.starts_with('.'));
            let chosen = form.get("EngineVersion").is_none_or(is_beginning)
                && form.get("DBParameterGroupFamily").is_none_or(|wanted| wanted == family)
                && (!default_only || **version == *default)
                && filters.iter().all(|(name, values)| {
                    let there = match *name {
                        "engine" => engine.name,
                        "engine-version" => version,
                        "db-parameter-group-family" => family.as_str(),
                        "engine-mode" => "provisioned",
                        _ => "available",
                    };
                    values.contains(&there)
                });
            if chosen {
                all.push(shown(engine, version));
            }
        }
    }
    listed(form, "DBEngineVersions", "DBEngineVersion", all)
}

fn shown(engine: &Engine, version: &str) -> Value {
    let newer = engine.versions.iter().filter(|to| numbers(to) > numbers(version));
    let targets = newer.map(|to| {
        json!({
            "Engine": engine.name, "EngineVersion": to, "Description": format!("{} {to}", engine.description), "AutoUpgrade": false,
            "IsMajorVersionUpgrade": engine.major(to) != engine.major(version),
        })
    });
    json!({
        "Engine": engine.name, "EngineVersion": version, "MajorEngineVersion": engine.major(version),
        "DBParameterGroupFamily": engine.family(version), "DBEngineDescription": engine.description,
        "DBEngineVersionDescription": format!("{} {version}", engine.description), "Status": "available",
        "ValidUpgradeTarget": {"UpgradeTarget": targets.collect::<Vec<_>>()}, "ExportableLogTypes": {"member": engine.logs},
        "SupportsLogExportsToCloudwatchLogs": true, "SupportsReadReplica": true, "SupportsParallelQuery": false,
        "SupportsGlobalDatabases": false, "SupportsCertificateRotationWithoutRestart": engine.name == "postgres",
        "SupportedCACertificateIdentifiers": {"member": AUTHORITIES}, "SupportedEngineModes": {"member": ["provisioned"]},
    })
}

pub(super) fn describe_orderable_options(form: &Params, region: &str) -> Result<Value, Fault> {
    filters(form, &[])?;
    let engine = engine(form.required("Engine")?)?;
    // Without a version, the newest of each major version.
    let versions: Vec<String> = match form.get("EngineVersion") {
        Some(version) => vec![engine.version(Some(version))?],
        None => {
            let mut majors: Vec<&str> = engine.versions.iter().map(|version| engine.major(version)).collect();
            majors.dedup();
            majors.into_iter().map(|major| engine.version(Some(major))).collect::<Result<_, _>>()?
        }
    };
    let classes = CLASSES.iter().flat_map(|(family, sizes)| sizes.iter().map(move |size| format!("{family}.{size}")));
    let license = form.get("LicenseModel").is_none_or(|license| license == engine.license);
    let chosen = classes.filter(|class| license && form.get("DBInstanceClass").is_none_or(|wanted| wanted == class));
    let zones: Vec<Value> = ["a", "b", "c"].iter().map(|zone| json!({"Name": format!("{region}{zone}")})).collect();
    let mut all = Vec::new();
    for class in chosen {
        for version in &versions {
            for storage in ["gp2", "gp3", "io1", "io2"] {
                let faster = storage != "gp2";
                all.push(json!({
                    "Engine": engine.name, "EngineVersion": version, "DBInstanceClass": class, "LicenseModel": engine.license,
                    "AvailabilityZones": {"AvailabilityZone": zones}, "MultiAZCapable": true, "ReadReplicaCapable": true, "Vpc": true,
                    "SupportsStorageEncryption": true, "StorageType": storage, "SupportsIops": faster,
                    "SupportsStorageThroughput": storage == "gp3", "SupportsEnhancedMonitoring": true,
                    "SupportsIAMDatabaseAuthentication": true, "SupportsPerformanceInsights": true, "SupportsStorageAutoscaling": true,
                    "SupportsKerberosAuthentication": engine.name != "mariadb", "SupportsGlobalDatabases": false, "SupportsClusters": false,
                    "SupportsDedicatedLogVolume": storage.starts_with("io"), "MinStorageSize": if storage.starts_with("io") { 100 } else { 20 },
                    "MaxStorageSize": 65536, "OutpostCapable": false, "SupportedNetworkTypes": {"member": ["IPV4", "DUAL"]},
                    "SupportedEngineModes": {"member": ["provisioned"]},
                }));
            }
        }
    }
    listed(form, "OrderableDBInstanceOptions", "OrderableDBInstanceOption", all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_completed_and_those_of_known_majors_taken() {
        let postgres = engine("postgres").unwrap();
        for (said, meant) in [(None, Some("17.7")), (Some("16"), Some("16.11")), (Some("16.4"), Some("16.4"))] {
            assert_eq!(postgres.version(said).ok().as_deref(), meant, "{said:?}");
        }
        for wrong in ["99", "99.1", "16.x", "1", ""] {
            assert!(postgres.version(Some(wrong)).is_err(), "{wrong}");
        }
        let mysql = engine("mysql").unwrap();
        assert_eq!(mysql.version(Some("8.0.39")).unwrap(), "8.0.39");
        assert_eq!(
            (mysql.family("8.4.7").as_str(), mysql.option_group("8.4.7").as_str()),
            ("mysql8.4", "default:mysql-8-4")
        );
        assert!(numbers("16.10") > numbers("16.9"));
        assert_eq!(engine("oracle-ee").err().map(|fault| fault.status), Some(501));
        assert_eq!(engine("excel").err().map(|fault| fault.code), Some("InvalidParameterValue".to_owned()));
    }

    #[test]
    fn classes_have_three_parts() {
        assert!(check_class("db.t4g.micro").is_ok());
        for wrong in ["t4g.micro", "db.t4g", "db..micro", "db.T4g.micro", "db.t4g.micro.x"] {
            assert!(check_class(wrong).is_err(), "{wrong}");
        }
    }
}
