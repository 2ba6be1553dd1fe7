//! The configuration of who is told what.

use phx::prelude::*;
use serde::Deserialize;

/// Who is told of trouble.
#[derive(Debug, Deserialize)]
pub(crate) struct Alerting {
    /// The mail addresses that warnings go to. Each has to confirm.
    pub warning_emails: Vec<String>,
    /// The mail addresses that what is critical goes to.
    #[serde(default)]
    pub critical_emails: Vec<String>,
    /// Whether what is critical calls PagerDuty: at the address that `phx secret set pagerduty_url` has set.
    #[serde(default)]
    pub pagerduty: bool,
    /// Where the runbooks are; an alarm's text links to `<runbooks>/<alarm>`.
    pub runbooks: String,
}

/// What an environment may cost.
#[derive(Debug, Deserialize)]
pub(crate) struct Cost {
    /// US dollars a month.
    pub monthly_usd: u32,
    /// From how many dollars on an unusual cost is reported.
    pub anomaly_usd: u32,
    /// The tag `CostCenter` of nodes and their volumes, which `default_tags` do not reach: EKS hands none on. A change of it replaces the nodes, one after
    /// the other. Unset: they have none.
    pub center: Option<String>,
}

impl Alerting {
    /// What a type alone cannot say.
    pub(super) fn check(&self) -> Result<()> {
        for (key, addresses) in [("warning_emails", &self.warning_emails), ("critical_emails", &self.critical_emails)] {
            if let Some(wrong) = addresses.iter().find(|a| a.split('@').filter(|part| !part.is_empty()).count() != 2) {
                anyhow::bail!("alerting.{key} names {wrong:?}, which is no mail address");
            }
        }
        if !self.pagerduty && self.critical_emails.is_empty() {
            anyhow::bail!(
                "alerting tells nobody of what is critical: set alerting.pagerduty or alerting.critical_emails"
            );
        }
        if !self.runbooks.starts_with("https://") {
            anyhow::bail!("alerting.runbooks is {:?}; it must be an https:// address", self.runbooks);
        }
        Ok(())
    }
}

impl Cost {
    /// What a type alone cannot say.
    pub(super) fn check(&self) -> Result<()> {
        if self.monthly_usd == 0 || self.anomaly_usd == 0 {
            anyhow::bail!("cost.monthly_usd and cost.anomaly_usd must be at least a dollar");
        }
        Ok(())
    }
}
