//! EC2's network.

use super::*;

#[tokio::test]
async fn the_network_is_as_it_was_made_and_comes_apart_only_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    let f = furnish(&c).await;

    let found = c.ec2.describe_vpcs().filters(by("tag:phx:intent", "v?c")).send().await.unwrap();
    assert_eq!(found.vpcs()[0].vpc_id(), Some(&*f.vpc));
    assert_eq!(found.vpcs()[0].tags().len(), 2);
    assert!(c.ec2.describe_vpcs().filters(by("tag:phx:intent", "other")).send().await.unwrap().vpcs().is_empty());
    refused!(c.ec2.describe_vpcs().filters(by("tagged", "x")), "InvalidParameterValue");
    refused!(c.ec2.describe_vpcs().vpc_ids("vpc-none"), "InvalidVpcID.NotFound");
    let subnet = c.ec2.describe_subnets().subnet_ids(&f.subnet).send().await.unwrap().subnets.unwrap().remove(0);
    assert_eq!(
        (
            subnet.availability_zone(),
            subnet.availability_zone_id(),
            subnet.map_public_ip_on_launch(),
            subnet.available_ip_address_count()
        ),
        (Some("us-west-2b"), Some("usw2-az2"), Some(true), Some(251))
    );
    let table = c.ec2.describe_route_tables().filters(by("association.subnet-id", &f.subnet)).send().await.unwrap();
    let table = &table.route_tables()[0];
    let targets: BTreeSet<_> =
        table.routes().iter().map(|r| (r.destination_cidr_block(), r.gateway_id(), r.nat_gateway_id())).collect();
    let expected = [
        (Some("10.0.0.0/16"), Some("local"), None),
        (Some("0.0.0.0/0"), Some(&*f.igw), None),
        (Some("10.9.0.0/16"), None, Some(&*f.nat)),
    ];
    assert_eq!(targets, BTreeSet::from(expected));
    let address = c.ec2.describe_addresses().allocation_ids(&f.eip).send().await.unwrap().addresses.unwrap().remove(0);
    assert!(address.association_id().is_some() && address.tags().len() == 2);

    refused!(c.ec2.create_subnet().vpc_id(&f.vpc).cidr_block("10.0.1.128/25"), "InvalidSubnet.Conflict");
    refused!(c.ec2.create_subnet().vpc_id(&f.vpc).cidr_block("10.1.0.0/24"), "InvalidSubnet.Range");
    let elsewhere = c.ec2.create_subnet().vpc_id(&f.vpc).cidr_block("10.0.2.0/24").availability_zone("us-east-1a");
    refused!(elsewhere, "InvalidParameterValue");
    let route = c.ec2.create_route().route_table_id(&f.rtb).destination_cidr_block("0.0.0.0/0").nat_gateway_id(&f.nat);
    refused!(route, "RouteAlreadyExists");
    let twice = c.ec2.create_security_group().group_name("web").description("again").vpc_id(&f.vpc);
    refused!(twice, "InvalidGroup.Duplicate");

    refused!(c.ec2.delete_vpc().vpc_id(&f.vpc), "DependencyViolation");
    refused!(c.ec2.delete_subnet().subnet_id(&f.subnet), "DependencyViolation");
    refused!(c.ec2.delete_internet_gateway().internet_gateway_id(&f.igw), "DependencyViolation");
    refused!(c.ec2.detach_internet_gateway().internet_gateway_id(&f.igw).vpc_id(&f.vpc), "DependencyViolation");
    refused!(c.ec2.release_address().allocation_id(&f.eip), "InvalidIPAddress.InUse");
    refused!(c.ec2.delete_route_table().route_table_id(&f.rtb), "DependencyViolation");
    refused!(c.ec2.delete_security_group().group_id(&f.peer), "DependencyViolation");

    c.ec2.delete_route().route_table_id(&f.rtb).destination_cidr_block("10.9.0.0/16").send().await.unwrap();
    c.ec2.disassociate_route_table().association_id(&f.association).send().await.unwrap();
    c.ec2.delete_route_table().route_table_id(&f.rtb).send().await.unwrap();
    c.ec2.delete_nat_gateway().nat_gateway_id(&f.nat).send().await.unwrap();
    let gone = c.ec2.describe_nat_gateways().nat_gateway_ids(&f.nat).send().await.unwrap();
    assert_eq!(gone.nat_gateways()[0].state().unwrap().as_str(), "deleted");
    c.ec2.release_address().allocation_id(&f.eip).send().await.unwrap();
    c.ec2.detach_internet_gateway().internet_gateway_id(&f.igw).vpc_id(&f.vpc).send().await.unwrap();
    c.ec2.delete_internet_gateway().internet_gateway_id(&f.igw).send().await.unwrap();
    c.ec2.delete_subnet().subnet_id(&f.subnet).send().await.unwrap();
    for group in [&f.sg, &f.peer] {
        c.ec2.delete_security_group().group_id(group).send().await.unwrap();
    }
    c.ec2.delete_vpc().vpc_id(&f.vpc).send().await.unwrap();
    let left = c.ec2.describe_security_group_rules().send().await.unwrap();
    assert!(left.security_group_rules().is_empty(), "{left:?}");
    assert!(c.ec2.describe_route_tables().send().await.unwrap().route_tables().is_empty());
}

#[tokio::test]
async fn ipv6_ranges_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let ec2 = Clients::new(&sandbox).ec2;
    let create = ec2.create_vpc().cidr_block("10.0.0.0/16").amazon_provided_ipv6_cidr_block(true);
    let vpc = create.send().await.unwrap().vpc.unwrap();
    let association = &vpc.ipv6_cidr_block_association_set()[0];
    assert_eq!(association.ipv6_pool(), Some("Amazon"));
    let (id, range) = (vpc.vpc_id().unwrap(), association.ipv6_cidr_block().unwrap());
    let part = range.replace("::/56", "::/64");
    let subnet = ec2.create_subnet().vpc_id(id).cidr_block("10.0.1.0/24").ipv6_cidr_block(&part);
    let subnet = subnet.send().await.unwrap().subnet.unwrap();
    let rules = ec2.describe_security_group_rules().send().await.unwrap();
    assert_eq!(rules.security_group_rules().len(), 2, "all IPv6 is let out too");
    let other = ec2.create_subnet().vpc_id(id).cidr_block("10.0.2.0/24");
    let other = other.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let associate = ec2.associate_subnet_cidr_block().subnet_id(&other);
    refused!(associate.clone().ipv6_cidr_block(&part), "InvalidSubnet.Conflict");
    refused!(associate.clone().ipv6_cidr_block("2001:db8::/64"), "InvalidSubnet.Range");
    associate.ipv6_cidr_block(range.replace("00::/56", "01::/64")).send().await.unwrap();
    let leave = ec2.disassociate_vpc_cidr_block().association_id(association.association_id().unwrap());
    refused!(leave.clone(), "DependencyViolation");
    let all = ec2.describe_subnets().send().await.unwrap();
    for subnet in all.subnets() {
        let association = subnet.ipv6_cidr_block_association_set()[0].association_id().unwrap();
        ec2.disassociate_subnet_cidr_block().association_id(association).send().await.unwrap();
    }
    leave.send().await.unwrap();
    let vpc = ec2.describe_vpcs().vpc_ids(id).send().await.unwrap().vpcs.unwrap().remove(0);
    assert!(vpc.ipv6_cidr_block_association_set().is_empty());
    ec2.associate_vpc_cidr_block().vpc_id(id).amazon_provided_ipv6_cidr_block(true).send().await.unwrap();
    refused!(ec2.create_vpc().cidr_block("10.0.0.0/16").ipv4_ipam_pool_id("ipam-pool-1"), "NotImplemented");

    let set = || ec2.modify_subnet_attribute().subnet_id(subnet.subnet_id().unwrap());
    let on = || AttributeBooleanValue::builder().value(true).build();
    set().map_customer_owned_ip_on_launch(on()).customer_owned_ipv4_pool("ipv4pool-coip-1").send().await.unwrap();
    set().enable_lni_at_device_index(1).send().await.unwrap();
    set().enable_resource_name_dns_a_record_on_launch(on()).send().await.unwrap();
    refused!(set().enable_dns64(on()).map_public_ip_on_launch(on()), "InvalidParameterCombination");
    let found =
        ec2.describe_subnets().subnet_ids(subnet.subnet_id().unwrap()).send().await.unwrap().subnets.unwrap().remove(0);
    let names = found.private_dns_name_options_on_launch().unwrap();
    assert_eq!(names.enable_resource_name_dns_a_record(), Some(true));
    assert_eq!(
        (found.customer_owned_ipv4_pool(), found.enable_lni_at_device_index()),
        (Some("ipv4pool-coip-1"), Some(1))
    );
    set().disable_lni_at_device_index(on()).send().await.unwrap();
    let found =
        ec2.describe_subnets().subnet_ids(subnet.subnet_id().unwrap()).send().await.unwrap().subnets.unwrap().remove(0);
    assert_eq!(found.enable_lni_at_device_index(), None);
}

#[tokio::test]
async fn nat_gateways_take_more_addresses_and_need_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    let f = furnish(&c).await;
    let look = || async {
        c.ec2.describe_nat_gateways().nat_gateway_ids(&f.nat).send().await.unwrap().nat_gateways.unwrap().remove(0)
    };
    let more = c.ec2.allocate_address().send().await.unwrap().allocation_id.unwrap();
    let add = c.ec2.associate_nat_gateway_address().nat_gateway_id(&f.nat);
    refused!(add.clone().allocation_ids(&f.eip), "Resource.AlreadyAssociated");
    add.allocation_ids(&more).send().await.unwrap();
    let nat = look().await;
    let addresses = nat.nat_gateway_addresses();
    let shown: Vec<_> = addresses.iter().map(|a| (a.is_primary(), a.allocation_id(), a.private_ip())).collect();
    let first = (Some(true), Some(&*f.eip), Some("10.0.1.4"));
    assert_eq!(shown, [first, (Some(false), Some(&*more), Some("10.0.1.5"))]);
    let remove = |id: &str| c.ec2.disassociate_nat_gateway_address().nat_gateway_id(&f.nat).association_ids(id);
    refused!(remove(addresses[0].association_id().unwrap()), "InvalidParameterValue");
    remove(addresses[1].association_id().unwrap()).send().await.unwrap();
    assert_eq!(look().await.nat_gateway_addresses().len(), 1);
    c.ec2.release_address().allocation_id(&more).send().await.unwrap();
    let interfaces = c.ec2.describe_network_interfaces().filters(by("subnet-id", &f.subnet)).send().await.unwrap();
    let [interface] = interfaces.network_interfaces() else { panic!("{interfaces:?}") };
    assert!(
        interface.description().unwrap().contains(&f.nat) && interface.association().unwrap().public_ip().is_some()
    );

    let vpc = c.ec2.create_vpc().cidr_block("10.1.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let subnet = c.ec2.create_subnet().vpc_id(&vpc).cidr_block("10.1.0.0/24").send().await.unwrap().subnet.unwrap();
    let eip = c.ec2.allocate_address().send().await.unwrap().allocation_id.unwrap();
    let nat = c.ec2.create_nat_gateway().subnet_id(subnet.subnet_id().unwrap()).allocation_id(&eip);
    let nat = nat.send().await.unwrap().nat_gateway.unwrap();
    assert_eq!((nat.state().unwrap().as_str(), nat.failure_code()), ("failed", Some("Gateway.NotAttached")));
    let private = c.ec2.create_nat_gateway().subnet_id(subnet.subnet_id().unwrap());
    let private =
        private.connectivity_type(aws_sdk_ec2::types::ConnectivityType::Private).secondary_private_ip_address_count(2);
    let nat = private.send().await.unwrap().nat_gateway.unwrap();
    let id = nat.nat_gateway_id().unwrap();
    let private = || c.ec2.assign_private_nat_gateway_address().nat_gateway_id(id);
    let all = private().private_ip_addresses("10.1.0.9").send().await.unwrap();
    let ips: Vec<_> = all.nat_gateway_addresses().iter().filter_map(|a| a.private_ip()).collect();
    assert_eq!(ips, ["10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.9"]);
    let remove = c.ec2.unassign_private_nat_gateway_address().nat_gateway_id(id);
    remove.private_ip_addresses("10.1.0.5").send().await.unwrap();
    assert_eq!(private().private_ip_address_count(1).send().await.unwrap().nat_gateway_addresses().len(), 4);
}

#[tokio::test]
async fn rules_have_ids_tags_and_peers_and_change_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    let f = furnish(&c).await;

    let rules = || c.ec2.describe_security_group_rules().filters(by("group-id", &f.sg));
    let all = rules().send().await.unwrap();
    assert_eq!(all.security_group_rules().len(), 3, "two of ours, one that lets everything out");
    let page = rules().max_results(2).send().await.unwrap();
    let rest = rules().max_results(2).next_token(page.next_token().unwrap()).send().await.unwrap();
    assert_eq!((page.security_group_rules().len(), rest.security_group_rules().len(), rest.next_token()), (2, 1, None));
    let tagged = rules().filters(by("tag:phx:intent", "r2")).send().await.unwrap();
    let referenced = tagged.security_group_rules()[0].referenced_group_info().unwrap();
    assert_eq!((referenced.group_id(), referenced.user_id()), (Some(&*f.peer), Some(ACCOUNT_ID)));

    let new = SecurityGroupRuleRequest::builder().ip_protocol("tcp").from_port(80).to_port(81).cidr_ipv4("10.1.2.3/16");
    let change = SecurityGroupRuleUpdate::builder().security_group_rule_id(&f.rules[0]);
    let change = change.security_group_rule(new.description("changed").build()).build();
    c.ec2.modify_security_group_rules().group_id(&f.sg).security_group_rules(change).send().await.unwrap();
    c.ec2
        .create_tags()
        .resources(&f.rules[0])
        .tags(Tag::builder().key("Name").value("new").build())
        .send()
        .await
        .unwrap();
    c.ec2.delete_tags().resources(&f.rules[0]).tags(Tag::builder().key("phx:intent").build()).send().await.unwrap();
    let rule = c.ec2.describe_security_group_rules().security_group_rule_ids(&f.rules[0]).send().await.unwrap();
    let rule = &rule.security_group_rules()[0];
    let ports = (rule.from_port(), rule.to_port());
    assert_eq!(
        (rule.cidr_ipv4(), rule.description(), ports),
        (Some("10.1.0.0/16"), Some("changed"), (Some(80), Some(81)))
    );
    assert_eq!(rule.tags(), [Tag::builder().key("Name").value("new").build()]);

    let groups = c.ec2.describe_security_groups().group_ids(&f.sg).send().await.unwrap();
    let group = &groups.security_groups()[0];
    assert_eq!((group.ip_permissions().len(), group.ip_permissions_egress().len()), (2, 1));
    assert_eq!(group.ip_permissions_egress()[0].from_port(), None, "no ports for all protocols");

    let refers = || c.ec2.describe_security_groups().filters(by("ip-permission.group-id", &f.peer));
    let holders = refers().send().await.unwrap();
    assert_eq!(holders.security_groups().iter().map(|g| g.group_id().unwrap()).collect::<Vec<_>>(), [&f.sg]);
    let out =
        c.ec2.describe_security_groups().filters(by("egress.ip-permission.group-id", &f.peer)).send().await.unwrap();
    assert!(out.security_groups().is_empty());

    let same = IpPermission::builder().ip_protocol("6").from_port(80).to_port(81);
    let same = same.ip_ranges(IpRange::builder().cidr_ip("10.1.0.0/16").build()).build();
    let authorize = c.ec2.authorize_security_group_ingress().group_id(&f.sg);
    refused!(authorize.ip_permissions(same.clone()), "InvalidPermission.Duplicate");
    c.ec2.revoke_security_group_ingress().group_id(&f.sg).ip_permissions(same.clone()).send().await.unwrap();
    refused!(c.ec2.revoke_security_group_ingress().group_id(&f.sg).ip_permissions(same), "InvalidPermission.NotFound");
    c.ec2.revoke_security_group_ingress().group_id(&f.sg).security_group_rule_ids(&f.rules[1]).send().await.unwrap();
    let gone = c.ec2.describe_security_group_rules().security_group_rule_ids(&f.rules[1]);
    refused!(gone, "InvalidSecurityGroupRuleId.NotFound");
}
