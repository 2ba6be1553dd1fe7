# The scale case: see examples/scale.
variable "cells" { type = number }
variable "first_retention_in_days" {
  type    = number
  default = 30
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
    tags = { Project = "scale", Environment = "n${var.cells}" }
  }
}

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
  tags       = { Name = "scale" }
}

resource "aws_security_group" "group" {
  count       = var.cells
  name        = "scale-${count.index}"
  description = "One cell"
  vpc_id      = aws_vpc.main.id
  tags        = { Name = "scale-${count.index}" }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  count             = var.cells
  security_group_id = aws_security_group.group[count.index].id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "10.0.0.0/8"
}

resource "aws_vpc_security_group_ingress_rule" "gossip" {
  count                        = var.cells
  security_group_id            = aws_security_group.group[count.index].id
  ip_protocol                  = "tcp"
  from_port                    = 7946
  to_port                      = 7946
  referenced_security_group_id = aws_security_group.group[max(count.index - 1, 0)].id
}

resource "aws_cloudwatch_log_group" "logs" {
  count             = var.cells
  name              = "/scale/cell-${count.index}"
  retention_in_days = count.index == 0 ? var.first_retention_in_days : 30
}

resource "aws_iam_role" "role" {
  count = var.cells
  name  = "scale-${count.index}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}
