//! [`EngineVersions`].

use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose, versions};
use crate::batch;

const PAGE: i32 = 100;

/// The versions of an RDS engine, or of one major version of it: which is the newest, and, where that is asked for, which one RDS takes if none is named.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBEngineVersions.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineVersions {
    engine: String,
    version: Option<String>,
    with_default: bool,
}

/// An engine's versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// The engine: `postgres`, `aurora-mysql`.
    pub engine: String,
    /// The newest one.
    pub latest_version: String,
    /// The one that RDS takes if none is named; only where it was asked for.
    pub default_version: Option<String>,
    /// The family of the newest one, for its parameter groups: `postgres16`.
    pub parameter_group_family: String,
    /// All of them, newest first.
    pub versions: Vec<EngineVersion>,
}

/// A version of an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineVersion {
    /// The version: `16.4`.
    pub version: String,
    /// Its major version: `16`.
    pub major_version: String,
    /// The family of its parameter groups: `postgres16`.
    pub parameter_group_family: String,
    /// `available`, or `deprecated` (which AWS lists for some).
    pub status: String,
}

impl EngineVersions {
    /// Of this engine: `postgres`, `mysql`, `aurora-postgresql`, …
    pub fn new(engine: impl Into<String>) -> Self {
        Self { engine: engine.into(), ..Self::default() }
    }

    /// Of this major version only: `16`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// And which one RDS takes if none is named: one more call.
    #[must_use]
    pub fn with_default(mut self, yes: bool) -> Self {
        self.with_default = yes;
        self
    }
}

impl Lookup for EngineVersions {
    const NAME: &'static str = "aws:rds:EngineVersions";
    type Answer = Engine;
}

impl Find for EngineVersions {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Engine, CloudError>>, CloudError> {
        batch::each(wanted, |wanted| async move {
            let engine = wanted.engine.as_str();
            let all = at.sheet(&format!("versions of {engine}"), ask(at, engine, None)).await?;
            let fits = |v: &&EngineVersion| wanted.version.as_ref().is_none_or(|of| versions::is_of(&v.version, of));
            let mut versions: Vec<EngineVersion> = all.iter().filter(fits).cloned().collect();
            versions.sort_by(|a, b| versions::compare(&b.version, &a.version));
            let Some(latest) = versions.iter().find(|v| v.status == "available").or(versions.first()).cloned() else {
                return Ok(Err(choose::none(at, "version of an engine", "engine, version").await?));
            };
            let default_version = match wanted.with_default {
                true => {
                    let of = wanted.version.as_deref().unwrap_or_default();
                    let name = format!("default version of {engine} {of}");
                    let default = at.sheet(&name, ask(at, engine, Some(of))).await?;
                    default.first().map(|v| v.version.clone())
                }
                false => None,
            };
            Ok(Ok(Engine {
                engine: engine.to_owned(),
                latest_version: latest.version,
                default_version,
                parameter_group_family: latest.parameter_group_family,
                versions,
            }))
        })
        .await
    }
}

/// All versions of an engine; or the default one, of this major version if one is named.
async fn ask(at: &At, engine: &str, default_of: Option<&str>) -> Result<Vec<EngineVersion>, CloudError> {
    let rds = &at.aws.rds(&at.cx).await?;
    let all = batch::pages(|token| async move {
        let request = rds
            .describe_db_engine_versions()
            .engine(engine)
            .set_default_only(default_of.map(|_| true))
            .set_engine_version(default_of.filter(|of| !of.is_empty()).map(str::to_owned))
            .max_records(PAGE)
            .set_marker(token);
        let answer = rds.read("DescribeDBEngineVersions", || request.clone().send()).await?;
        Ok((answer.db_engine_versions.unwrap_or_default(), answer.marker))
    });
    let versions = all.await?.into_iter().filter(|v| v.engine().is_none_or(|e| e == engine)).filter_map(|v| {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Some(EngineVersion {
            major_version: text(v.major_engine_version()),
            parameter_group_family: text(v.db_parameter_group_family()),
            status: text(v.status()),
            version: v.engine_version?,
        })
    });
    Ok(versions.collect())
}
