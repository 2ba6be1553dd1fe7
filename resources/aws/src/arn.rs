//! Amazon resource names.

phx_model::id_type! {
    /// A name that is unique in all of AWS: `arn:aws:ec2:us-west-2:123456789012:vpc/vpc-0a1b`.
    Arn;
}

/// The partition that a region lies in, the second part of its objects' ARNs.
pub fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        // us-gov-west-1, us-iso-east-1, us-isob-east-1, eu-isoe-west-1, us-isof-south-1
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("us-isob-") => "aws-iso-b",
        _ if region.starts_with("us-isof-") => "aws-iso-f",
        _ if region.starts_with("us-iso-") => "aws-iso",
        _ if region.starts_with("eu-isoe-") => "aws-iso-e",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// The one region of a partition in which what is the same for all regions lives: there the tagging API knows IAM's objects.
#[cfg_attr(not(feature = "iam"), allow(dead_code))]
pub(crate) fn global_region(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-iso-f" => "us-isof-south-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    }
}

impl Arn {
    /// The ARN of an object in a region, put together as AWS documents it: `of("ec2", "us-west-2", "123456789012", "vpc/vpc-0a1b")`.
    pub fn of(service: &str, region: &str, account: &str, resource: &str) -> Self {
        Self::new(format!("arn:{}:{service}:{region}:{account}:{resource}", partition(region)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_follows_from_the_region() {
        assert_eq!(Arn::of("ec2", "us-west-2", "1", "vpc/v").as_str(), "arn:aws:ec2:us-west-2:1:vpc/v");
        assert_eq!(Arn::of("ec2", "cn-north-1", "1", "vpc/v").as_str(), "arn:aws-cn:ec2:cn-north-1:1:vpc/v");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition("us-iso-east-1"), "aws-iso");
        assert_eq!(partition("us-isob-east-1"), "aws-iso-b");
        assert_eq!(partition("eu-central-1"), "aws");
        for (region, global) in [("eusc-de-east-1", "eusc-de-east-1"), ("us-gov-east-1", "us-gov-west-1")] {
            assert_eq!(partition(global_region(region)), partition(region));
            assert_eq!(global_region(region), global);
        }
    }
}
