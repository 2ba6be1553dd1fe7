# The network of the Phoenix platform's prod stack: see stacks/src/networking.rs.
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
