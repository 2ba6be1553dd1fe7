# The network of the Phoenix platform's prod stack: see stacks/src/networking.rs and what lies beside it.
variable "flow_log_retention_days" {
  type    = number
  default = 365
}

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                      = "us-west-2"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  default_tags {
    tags = { Project = "phoenix", Environment = "prod", ManagedBy = "terraform", CostCenter = "platform" }
  }
}

locals {
  cidr  = "10.30.0.0/16"
  zones = ["us-west-2a", "us-west-2b", "us-west-2c"]
}

resource "aws_vpc" "vpc" {
  cidr_block           = local.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = "phoenix-prod-vpc" }
}

resource "aws_internet_gateway" "internet" {
  vpc_id = aws_vpc.vpc.id
  tags   = { Name = "phoenix-prod-internet" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.vpc.id
  tags   = { Name = "phoenix-prod-public" }
}

resource "aws_route" "public" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.internet.id
}

resource "aws_route_table" "database" {
  vpc_id = aws_vpc.vpc.id
  tags   = { Name = "phoenix-prod-database" }
}

resource "aws_subnet" "public" {
  count                   = length(local.zones)
  vpc_id                  = aws_vpc.vpc.id
  cidr_block              = cidrsubnet(local.cidr, 4, count.index)
  availability_zone       = local.zones[count.index]
  map_public_ip_on_launch = true
  tags = {
    Name                                        = "phoenix-prod-public-${count.index}"
    "kubernetes.io/role/elb"                    = "1"
    "kubernetes.io/cluster/phoenix-prod-cluster" = "shared"
  }
}

resource "aws_subnet" "private" {
  count             = length(local.zones)
  vpc_id            = aws_vpc.vpc.id
  cidr_block        = cidrsubnet(local.cidr, 3, 4 + count.index)
  availability_zone = local.zones[count.index]
  tags = {
    Name                                        = "phoenix-prod-private-${count.index}"
    "kubernetes.io/role/internal-elb"           = "1"
    "kubernetes.io/cluster/phoenix-prod-cluster" = "shared"
  }
}

resource "aws_subnet" "database" {
  count             = length(local.zones)
  vpc_id            = aws_vpc.vpc.id
  cidr_block        = cidrsubnet(local.cidr, 4, 4 + count.index)
  availability_zone = local.zones[count.index]
  tags              = { Name = "phoenix-prod-database-${count.index}" }
}

resource "aws_eip" "nat" {
  count  = length(local.zones)
  domain = "vpc"
  tags   = { Name = "phoenix-prod-nat" }
}

resource "aws_nat_gateway" "nat" {
  count         = length(local.zones)
  subnet_id     = aws_subnet.public[count.index].id
  allocation_id = aws_eip.nat[count.index].id
  tags          = { Name = "phoenix-prod-nat-${count.index}" }
  depends_on    = [aws_internet_gateway.internet]
}

resource "aws_route_table" "private" {
  count  = length(local.zones)
  vpc_id = aws_vpc.vpc.id
  tags   = { Name = "phoenix-prod-private-${count.index}" }
}

resource "aws_route" "private" {
  count                  = length(local.zones)
  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.nat[count.index].id
}

resource "aws_route_table_association" "public" {
  count          = length(local.zones)
  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public[count.index].id
}

resource "aws_route_table_association" "private" {
  count          = length(local.zones)
  route_table_id = aws_route_table.private[count.index].id
  subnet_id      = aws_subnet.private[count.index].id
}

resource "aws_route_table_association" "database" {
  count          = length(local.zones)
  route_table_id = aws_route_table.database.id
  subnet_id      = aws_subnet.database[count.index].id
}

resource "aws_security_group" "internal" {
  name        = "phoenix-prod-internal"
  description = "Traffic inside the VPC"
  vpc_id      = aws_vpc.vpc.id
  tags        = { Name = "phoenix-prod-internal" }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.internal.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = local.cidr
  description       = "HTTPS from the VPC"
}

resource "aws_vpc_security_group_egress_rule" "out" {
  security_group_id = aws_security_group.internal.id
  ip_protocol       = "-1"
  cidr_ipv4         = local.cidr
  description       = "Anything inside the VPC"
}

resource "aws_cloudwatch_log_group" "flow_logs" {
  name              = "/phoenix/prod/flow-logs"
  retention_in_days = var.flow_log_retention_days
}

resource "aws_iam_role" "flow_logs" {
  name        = "phoenix-prod-flow-logs"
  description = "Delivers the VPC's flow logs to CloudWatch"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "vpc-flow-logs.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "flow_logs" {
  name = "deliver"
  role = aws_iam_role.flow_logs.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = [aws_cloudwatch_log_group.flow_logs.arn, "${aws_cloudwatch_log_group.flow_logs.arn}:*"]
    }]
  })
}

resource "aws_flow_log" "vpc" {
  vpc_id                   = aws_vpc.vpc.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow_logs.arn
  iam_role_arn             = aws_iam_role.flow_logs.arn
  max_aggregation_interval = 60
  tags                     = { Name = "phoenix-prod-flow-logs" }
  depends_on               = [aws_iam_role_policy.flow_logs]
}

resource "aws_route53_zone" "databases" {
  name    = "phoenix-prod-db.internal"
  comment = "Names of databases, inside the VPC"
  vpc {
    vpc_id = aws_vpc.vpc.id
  }
  // moto, not told what AWS does not need to be told, makes a public zone of it.
  lifecycle {
    ignore_changes = [vpc]
  }
}

resource "aws_vpc_endpoint" "gateway" {
  for_each          = toset(["s3", "dynamodb"])
  vpc_id            = aws_vpc.vpc.id
  service_name      = "com.amazonaws.us-west-2.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = concat([aws_route_table.public.id, aws_route_table.database.id], aws_route_table.private[*].id)
  tags              = { Name = "phoenix-prod-${each.key}" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = toset(["ecr.api", "ecr.dkr", "sts", "logs", "secretsmanager", "ssm", "ssmmessages", "ec2messages"])
  vpc_id              = aws_vpc.vpc.id
  service_name        = "com.amazonaws.us-west-2.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = [aws_security_group.internal.id]
  private_dns_enabled = true
  tags                = { Name = "phoenix-prod-${each.key}" }
}

locals {
  everywhere      = "0.0.0.0/0"
  private_ranges  = aws_subnet.private[*].cidr_block
  database_ranges = aws_subnet.database[*].cidr_block
  // Each rule: protocol, first port, last port, range.
  tiers = {
    public = {
      subnets = aws_subnet.public[*].id
      ingress = [["6", 80, 80, local.everywhere], ["6", 443, 443, local.everywhere], ["-1", 0, 0, local.cidr], ["6", 1024, 65535, local.everywhere], ["17", 1024, 65535, local.everywhere]]
      egress  = [["-1", 0, 0, local.everywhere]]
    }
    private = {
      subnets = aws_subnet.private[*].id
      ingress = [["-1", 0, 0, local.cidr], ["6", 1024, 65535, local.everywhere], ["17", 1024, 65535, local.everywhere]]
      egress  = [["-1", 0, 0, local.everywhere]]
    }
    database = {
      subnets = aws_subnet.database[*].id
      ingress = concat([for r in local.private_ranges : ["6", 5432, 5432, r]], [for r in local.database_ranges : ["-1", 0, 0, r]])
      egress  = concat([for r in local.private_ranges : ["6", 1024, 65535, r]], [for r in local.database_ranges : ["-1", 0, 0, r]])
    }
  }
}

resource "aws_network_acl" "tier" {
  for_each   = local.tiers
  vpc_id     = aws_vpc.vpc.id
  subnet_ids = each.value.subnets
  dynamic "ingress" {
    for_each = each.value.ingress
    content {
      rule_no    = 100 + 10 * ingress.key
      action     = "allow"
      protocol   = ingress.value[0]
      from_port  = ingress.value[1]
      to_port    = ingress.value[2]
      cidr_block = ingress.value[3]
    }
  }
  dynamic "egress" {
    for_each = each.value.egress
    content {
      rule_no    = 100 + 10 * egress.key
      action     = "allow"
      protocol   = egress.value[0]
      from_port  = egress.value[1]
      to_port    = egress.value[2]
      cidr_block = egress.value[3]
    }
  }
  tags = { Name = "phoenix-prod-${each.key}" }
}
