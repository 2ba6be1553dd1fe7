//! What `dev.toml`, `staging.toml` and `prod.toml` say.

use phx::prelude::*;
use serde::Deserialize;

/// One environment.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    /// Its name, part of every name that AWS shows.
    pub environment: String,
    /// Its network.
    pub network: Network,
}

/// The network of an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct Network {
    /// The VPC's addresses.
    pub cidr: Ipv4Cidr,
    /// The availability zones to spread over, 2 to 4.
    pub zones: Vec<String>,
    /// How many NAT gateways there are.
    pub nat_gateways: NatGateways,
    /// How long flow logs are kept.
    pub flow_log_retention_days: i32,
}

/// How many NAT gateways a network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NatGateways {
    /// One for all zones.
    Single,
    /// One in each zone.
    PerZone,
}

impl Config {
    /// The name of the environment's EKS cluster.
    pub(crate) fn cluster(&self) -> String {
        format!("phoenix-{}-cluster", self.environment)
    }

    /// What a type alone cannot say.
    pub(crate) fn check(&self, stack: &str) -> Result<()> {
        let Network { cidr, zones, flow_log_retention_days, .. } = &self.network;
        if self.environment != stack {
            anyhow::bail!("{stack}.toml says environment = {:?}; it must be the stack's own name", self.environment);
        }
        if !(2..=4).contains(&zones.len()) {
            anyhow::bail!("{stack}.toml: network.zones names {} zones; 2 to 4 are supported", zones.len());
        }
        if let Some(twice) = zones.iter().enumerate().find(|(i, z)| zones[..*i].contains(z)) {
            anyhow::bail!("{stack}.toml: network.zones names {:?} twice", twice.1);
        }
        if !(16..=20).contains(&cidr.prefix()) {
            anyhow::bail!(
                "{stack}.toml: network.cidr is {cidr}; its prefix must be 16 to 20, so that every subnet has room"
            );
        }
        // PutRetentionPolicy takes these and no others.
        const DAYS: [i32; 22] =
            [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
        if !DAYS.contains(flow_log_retention_days) {
            let known = DAYS.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
            anyhow::bail!(
                "{stack}.toml: network.flow_log_retention_days is {flow_log_retention_days}; AWS knows {known}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use phx::model::Program;
    use phx::project::Project;

    fn here() -> Project {
        Project::find(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn program(stack: &str) -> Program {
        let project = here();
        let stack = project.stack(&project.stack_name(Some(stack)).unwrap()).unwrap();
        stack.write_down(crate::platform).unwrap()
    }

    fn number_of(program: &Program, type_name: &str) -> usize {
        program.resources.iter().filter(|d| d.urn.type_name() == type_name).count()
    }

    #[test]
    fn each_stack_has_the_shape_of_its_environment() {
        for (stack, zones, gateways) in [("dev", 2, 1), ("staging", 3, 1), ("prod", 3, 3)] {
            let program = program(stack);
            assert_eq!(number_of(&program, "aws:ec2:Subnet"), 3 * zones, "{stack}");
            assert_eq!(number_of(&program, "aws:ec2:NatGateway"), gateways, "{stack}");
            assert_eq!(number_of(&program, "aws:ec2:Eip"), gateways, "{stack}");
            phx::engine::graph::Graph::new(&program).unwrap();
        }
    }

    /// The `dev` stack with one piece of its file changed.
    fn mistake(from: &str, to: &str) -> String {
        let project = here();
        let mut stack = project.stack(&project.stack_name(Some("dev")).unwrap()).unwrap();
        assert!(stack.config.text.contains(from), "{from}");
        stack.config.text = stack.config.text.replacen(from, to, 1);
        stack.write_down(crate::platform).unwrap_err().to_string()
    }

    #[test]
    fn a_configuration_that_makes_no_sense_is_refused() {
        for (from, to, said) in [
            ("environment = \"dev\"", "environment = \"prod\"", "the stack's own name"),
            ("\"us-west-2a\", ", "", "network.zones names 1 zones"),
            ("us-west-2b", "us-west-2a", "\"us-west-2a\" twice"),
            ("10.10.0.0/16", "10.10.0.0/24", "network.cidr is 10.10.0.0/24"),
            ("days = 7", "days = 8", "flow_log_retention_days is 8"),
        ] {
            let error = mistake(from, to);
            assert!(error.contains("dev.toml") && error.contains(said), "{error}");
        }
    }
}
