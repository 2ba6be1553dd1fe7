//! The examples of `ec2` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:ec2:CustomerGateway", customer_gateway_example::program),
    ("aws:ec2:DhcpOptions", dhcp_options_example::program),
    ("aws:ec2:EbsVolume", ebs_volume_example::program),
    ("aws:ec2:EgressOnlyInternetGateway", egress_only_internet_gateway_example::program),
    ("aws:ec2:Eip", eip_example::program),
    ("aws:ec2:FlowLog", flow_log_example::program),
    ("aws:ec2:Instance", instance_example::program),
    ("aws:ec2:InternetGateway", internet_gateway_example::program),
    ("aws:ec2:KeyPair", key_pair_example::program),
    ("aws:ec2:LaunchTemplate", launch_template_example::program),
    ("aws:ec2:ManagedPrefixList", managed_prefix_list_example::program),
    ("aws:ec2:NatGateway", nat_gateway_example::program),
    ("aws:ec2:NetworkAcl", network_acl_example::program),
    ("aws:ec2:Route", route_example::program),
    ("aws:ec2:RouteTable", route_table_example::program),
    ("aws:ec2:RouteTableAssociation", route_table_association_example::program),
    ("aws:ec2:SecurityGroup", security_group_example::program),
    ("aws:ec2:SecurityGroupEgressRule", security_group_egress_rule_example::program),
    ("aws:ec2:SecurityGroupIngressRule", security_group_ingress_rule_example::program),
    ("aws:ec2:Subnet", subnet_example::program),
    ("aws:ec2:VolumeAttachment", volume_attachment_example::program),
    ("aws:ec2:Vpc", vpc_example::program),
    ("aws:ec2:VpcDhcpOptionsAssociation", vpc_dhcp_options_association_example::program),
    ("aws:ec2:VpcEndpoint", vpc_endpoint_example::program),
    ("aws:ec2:VpcPeeringConnection", vpc_peering_connection_example::program),
    ("aws:ec2:VpnConnection", vpn_connection_example::program),
    ("aws:ec2:VpnGateway", vpn_gateway_example::program),
];

mod customer_gateway_example {
    use phx::aws::Arn;
    use phx::aws::ec2::CustomerGateway;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let customer_gateway = stack.add(
            "main",
            CustomerGateway::new("ipsec.1")
                .bgp_asn(2147483647)
                .ip_address("main")
                .certificate_arn(Arn::new("arn:aws:acm:us-west-2:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"))
                .tag("Name", "main"),
        )?;
        stack.export("id", customer_gateway.id())?;
        Ok(())
    }
}

mod dhcp_options_example {
    use phx::aws::ec2::DhcpOptions;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let dhcp_options = stack.add(
            "main",
            DhcpOptions::new()
                .domain_name("main")
                .domain_name_servers(["AmazonProvidedDNS"])
                .ntp_servers(["main"])
                .tag("Name", "main"),
        )?;
        stack.export("id", dhcp_options.id())?;
        Ok(())
    }
}

mod ebs_volume_example {
    use phx::aws::ec2::EbsVolume;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let ebs_volume = stack.add(
            "main",
            EbsVolume::new()
                .availability_zone("us-west-2a")
                .availability_zone_id("usw2-az1")
                .size(1)
                .tag("Name", "main"),
        )?;
        stack.export("id", ebs_volume.id())?;
        Ok(())
    }
}

mod egress_only_internet_gateway_example {
    use phx::aws::ec2::EgressOnlyInternetGateway;
    use phx::aws::ids::VpcId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let egress_only_internet_gateway = stack.add(
            "main",
            EgressOnlyInternetGateway::new(VpcId::new("vpc-0a1b2c3d"))
                .tag("Name", "main"),
        )?;
        stack.export("id", egress_only_internet_gateway.id())?;
        Ok(())
    }
}

mod eip_example {
    use phx::aws::ec2::Eip;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let eip = stack.add(
            "main",
            Eip::new()
                .domain("vpc")
                .address("main")
                .public_ipv4_pool("main")
                .tag("Name", "main"),
        )?;
        stack.export("id", eip.id())?;
        Ok(())
    }
}

mod flow_log_example {
    use phx::aws::ec2::{FlowLog, FlowLogDestinationOptions};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let flow_log = stack.add(
            "main",
            FlowLog::new("vpc-0a1b", "VPC")
                .traffic_type("ACCEPT")
                .log_destination_type("cloud-watch-logs")
                .destination_options(FlowLogDestinationOptions::new().file_format("plain-text"))
                .tag("Name", "main"),
        )?;
        stack.export("id", flow_log.id())?;
        Ok(())
    }
}

mod instance_example {
    use phx::aws::ec2::{Instance, InstanceSecondaryInterface};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let instance = stack.add(
            "main",
            Instance::new()
                .image_id("ami-0a1b")
                .instance_type("t3.micro")
                .secondary_interfaces([InstanceSecondaryInterface::new().device_index(1)])
                .tag("Name", "main"),
        )?;
        stack.export("id", instance.id())?;
        Ok(())
    }
}

mod internet_gateway_example {
    use phx::aws::ec2::InternetGateway;
    use phx::aws::ids::VpcId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let internet_gateway = stack.add(
            "main",
            InternetGateway::new()
                .vpc_id(VpcId::new("vpc-0a1b2c3d"))
                .tag("Name", "main"),
        )?;
        stack.export("id", internet_gateway.id())?;
        Ok(())
    }
}

mod key_pair_example {
    use phx::aws::ec2::KeyPair;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let key_pair = stack.add(
            "main",
            KeyPair::new("main", "ssh-ed25519 AAAA… comment")
                .tag("Name", "main"),
        )?;
        stack.export("id", key_pair.id())?;
        Ok(())
    }
}

mod launch_template_example {
    use phx::aws::ec2::{LaunchTemplate, LaunchTemplateData, LaunchTemplateOperator};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let launch_template = stack.add(
            "main",
            LaunchTemplate::new("main", LaunchTemplateData::new().image_id("ami-0a1b"))
                .version_description("An example")
                .operator(LaunchTemplateOperator::new().principal("main"))
                .tag("Name", "main"),
        )?;
        stack.export("id", launch_template.id())?;
        Ok(())
    }
}

mod managed_prefix_list_example {
    use phx::aws::ec2::{ManagedPrefixList, PrefixListEntry};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let managed_prefix_list = stack.add(
            "main",
            ManagedPrefixList::new("com.amazonaws", "IPv4", 1)
                .entries([PrefixListEntry::new("10.0.0.0/8")])
                .tag("Name", "main"),
        )?;
        stack.export("id", managed_prefix_list.id())?;
        Ok(())
    }
}

mod nat_gateway_example {
    use phx::aws::ec2::{NatGateway, ZoneAddresses};
    use phx::aws::ids::{AllocationId, SubnetId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let nat_gateway = stack.add(
            "main",
            NatGateway::new()
                .subnet_id(SubnetId::new("subnet-0a1b2c3d"))
                .allocation_id(AllocationId::new("eipalloc-0a1b2c3d"))
                .availability_zone_addresses([ZoneAddresses::new().availability_zone("us-west-2a")])
                .tag("Name", "main"),
        )?;
        stack.export("id", nat_gateway.id())?;
        Ok(())
    }
}

mod network_acl_example {
    use phx::aws::ec2::NetworkAcl;
    use phx::aws::ids::{SubnetId, VpcId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let network_acl = stack.add(
            "main",
            NetworkAcl::new(VpcId::new("vpc-0a1b2c3d"))
                .subnet_ids([SubnetId::new("subnet-0a1b2c3d")])
                .tag("Name", "main"),
        )?;
        stack.export("id", network_acl.id())?;
        Ok(())
    }
}

mod route_example {
    use phx::aws::ec2::Route;
    use phx::aws::ids::{PrefixListId, RouteTableId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let route = stack.add(
            "main",
            Route::new(RouteTableId::new("rtb-0a1b2c3d"))
                .destination_cidr_block("10.0.0.0/16".parse::<Ipv4Cidr>()?)
                .destination_ipv6_cidr_block("10.0.0.0/16")
                .destination_prefix_list_id(PrefixListId::new("pl-0a1b2c3d")),
        )?;
        stack.export("id", route.id())?;
        Ok(())
    }
}

mod route_table_example {
    use phx::aws::ec2::RouteTable;
    use phx::aws::ids::VpcId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let route_table = stack.add(
            "main",
            RouteTable::new(VpcId::new("vpc-0a1b2c3d"))
                .tag("Name", "main"),
        )?;
        stack.export("id", route_table.id())?;
        Ok(())
    }
}

mod route_table_association_example {
    use phx::aws::ec2::RouteTableAssociation;
    use phx::aws::ids::{InternetGatewayId, RouteTableId, SubnetId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let route_table_association = stack.add(
            "main",
            RouteTableAssociation::new(RouteTableId::new("rtb-0a1b2c3d"))
                .subnet_id(SubnetId::new("subnet-0a1b2c3d"))
                .gateway_id(InternetGatewayId::new("igw-0a1b2c3d"))
                .public_ipv4_pool("main"),
        )?;
        stack.export("id", route_table_association.id())?;
        Ok(())
    }
}

mod security_group_example {
    use phx::aws::ec2::SecurityGroup;
    use phx::aws::ids::VpcId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let security_group = stack.add(
            "main",
            SecurityGroup::new("main", "An example")
                .vpc_id(VpcId::new("vpc-0a1b2c3d"))
                .default_egress_rule(true)
                .tag("Name", "main"),
        )?;
        stack.export("id", security_group.id())?;
        Ok(())
    }
}

mod security_group_egress_rule_example {
    use phx::aws::ec2::SecurityGroupEgressRule;
    use phx::aws::ids::SecurityGroupId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let security_group_egress_rule = stack.add(
            "main",
            SecurityGroupEgressRule::new(SecurityGroupId::new("sg-0a1b2c3d"), "tcp")
                .from_port(1)
                .to_port(1)
                .cidr_ip("10.0.0.0/16".parse::<Ipv4Cidr>()?)
                .tag("Name", "main"),
        )?;
        stack.export("id", security_group_egress_rule.id())?;
        Ok(())
    }
}

mod security_group_ingress_rule_example {
    use phx::aws::ec2::SecurityGroupIngressRule;
    use phx::aws::ids::SecurityGroupId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let security_group_ingress_rule = stack.add(
            "main",
            SecurityGroupIngressRule::new(SecurityGroupId::new("sg-0a1b2c3d"), "tcp")
                .from_port(1)
                .to_port(1)
                .cidr_ip("10.0.0.0/16".parse::<Ipv4Cidr>()?)
                .tag("Name", "main"),
        )?;
        stack.export("id", security_group_ingress_rule.id())?;
        Ok(())
    }
}

mod subnet_example {
    use phx::aws::ec2::Subnet;
    use phx::aws::ids::VpcId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let subnet = stack.add(
            "main",
            Subnet::new(VpcId::new("vpc-0a1b2c3d"), "10.0.0.0/16".parse::<Ipv4Cidr>()?)
                .availability_zone("us-west-2a")
                .availability_zone_id("usw2-az1")
                .ipv6_cidr_block("10.0.0.0/16")
                .tag("Name", "main"),
        )?;
        stack.export("id", subnet.id())?;
        Ok(())
    }
}

mod volume_attachment_example {
    use phx::aws::ec2::VolumeAttachment;
    use phx::aws::ids::{InstanceId, VolumeId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let volume_attachment = stack.add(
            "main",
            VolumeAttachment::new("/dev/sdf", InstanceId::new("i-0a1b2c3d"), VolumeId::new("vol-0a1b2c3d"))
                .ebs_card_index(1)
                .force_detach(true),
        )?;
        stack.export("id", volume_attachment.id())?;
        Ok(())
    }
}

mod vpc_example {
    use phx::aws::ec2::{Vpc, VpcEncryption};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let vpc = stack.add(
            "main",
            Vpc::new("10.0.0.0/16".parse::<Ipv4Cidr>()?)
                .enable_dns_hostnames(true)
                .enable_dns_support(true)
                .vpc_encryption_control(VpcEncryption::new("monitor"))
                .tag("Name", "main"),
        )?;
        stack.export("id", vpc.id())?;
        Ok(())
    }
}

mod vpc_dhcp_options_association_example {
    use phx::aws::ec2::VpcDhcpOptionsAssociation;
    use phx::aws::ids::{DhcpOptionsId, VpcId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let vpc_dhcp_options_association = stack.add(
            "main",
            VpcDhcpOptionsAssociation::new(VpcId::new("vpc-0a1b2c3d"), DhcpOptionsId::new("dopt-0a1b2c3d")),
        )?;
        stack.export("id", vpc_dhcp_options_association.id())?;
        Ok(())
    }
}

mod vpc_endpoint_example {
    use phx::aws::ec2::{SubnetConfiguration, VpcEndpoint};
    use phx::aws::ids::{SubnetId, VpcId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let vpc_endpoint = stack.add(
            "main",
            VpcEndpoint::new(VpcId::new("vpc-0a1b2c3d"))
                .service_name("com.amazonaws.us-west-2.s3")
                .vpc_endpoint_type("Gateway")
                .subnet_configurations([SubnetConfiguration::new(SubnetId::new("subnet-0a1b2c3d"))])
                .tag("Name", "main"),
        )?;
        stack.export("id", vpc_endpoint.id())?;
        Ok(())
    }
}

mod vpc_peering_connection_example {
    use phx::aws::ec2::{PeeringConnectionOptions, VpcPeeringConnection};
    use phx::aws::ids::VpcId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let vpc_peering_connection = stack.add(
            "main",
            VpcPeeringConnection::new(VpcId::new("vpc-0a1b2c3d"), VpcId::new("vpc-4e5f6a7b"))
                .peer_owner_id("123456789012")
                .peer_region("us-west-2")
                .requester_peering_connection_options(PeeringConnectionOptions::new().allow_dns_resolution_from_remote_vpc(true))
                .tag("Name", "main"),
        )?;
        stack.export("id", vpc_peering_connection.id())?;
        Ok(())
    }
}

mod vpn_connection_example {
    use phx::aws::ec2::VpnConnection;
    use phx::aws::ids::{CustomerGatewayId, TransitGatewayId, VpnGatewayId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let vpn_connection = stack.add(
            "main",
            VpnConnection::new("ipsec.1", CustomerGatewayId::new("cgw-0a1b2c3d"))
                .vpn_gateway_id(VpnGatewayId::new("vgw-0a1b2c3d"))
                .transit_gateway_id(TransitGatewayId::new("tgw-0a1b2c3d"))
                .vpn_concentrator_id("main")
                .tag("Name", "main"),
        )?;
        stack.export("id", vpn_connection.id())?;
        Ok(())
    }
}

mod vpn_gateway_example {
    use phx::aws::ec2::VpnGateway;
    use phx::aws::ids::VpcId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let vpn_gateway = stack.add(
            "main",
            VpnGateway::new("ipsec.1")
                .availability_zone("us-west-2a")
                .amazon_side_asn(64512_i64)
                .vpc_id(VpcId::new("vpc-0a1b2c3d"))
                .tag("Name", "main"),
        )?;
        stack.export("id", vpn_gateway.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::ec2::{FlowLogDestinationOptions, FlowLogTagFields, IcmpTypeCode, InstanceBlockDevice, InstanceCapacityReservation, InstanceCapacityReservationTarget, InstanceConnectionTracking, InstanceCpuOptions, InstanceCreditSpecification, InstanceEbs, InstanceEnaSrd, InstanceEnclaveOptions, InstanceHibernation, InstanceIamProfile, InstanceLaunchTemplate, InstanceLicense, InstanceMaintenanceOptions, InstanceMarketOptions, InstanceMetadataOptions, InstanceMonitoring, InstanceNetworkInterface, InstanceNetworkPerformance, InstancePlacement, InstancePrivateDnsNameOptions, InstancePrivateIpAddress, InstanceSecondaryInterface, InstanceSpotOptions, LaunchTemplateAmountRange, LaunchTemplateBlockDevice, LaunchTemplateCapacityReservation, LaunchTemplateCapacityReservationTarget, LaunchTemplateConnectionTracking, LaunchTemplateCountRange, LaunchTemplateCpuOptions, LaunchTemplateCpuPerformance, LaunchTemplateCreditSpecification, LaunchTemplateData, LaunchTemplateEbs, LaunchTemplateEnaSrd, LaunchTemplateEnaSrdUdp, LaunchTemplateEnclave, LaunchTemplateHibernation, LaunchTemplateIamInstanceProfile, LaunchTemplateInstanceRequirements, LaunchTemplateLicense, LaunchTemplateMaintenance, LaunchTemplateMarketOptions, LaunchTemplateMetadataOptions, LaunchTemplateMonitoring, LaunchTemplateNetworkInterface, LaunchTemplateNetworkPerformance, LaunchTemplateOperator, LaunchTemplatePerformanceFactors, LaunchTemplatePerformanceReference, LaunchTemplatePlacement, LaunchTemplatePrivateDnsNames, LaunchTemplatePrivateIp, LaunchTemplateSecondaryInterface, LaunchTemplateSpotOptions, LaunchTemplateTags, NetworkAclEntry, PeeringConnectionOptions, PortRange, PrefixListEntry, SubnetConfiguration, VpcEncryption, VpcEndpointDnsOptions, VpnCloudWatchLogOptions, VpnConnectionOptions, VpnTunnelLogOptions, VpnTunnelOptions, ZoneAddresses};
}
