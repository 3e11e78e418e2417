# What production needs of AWS: a network, the image's home, PostgreSQL, Redis, a bucket, a cluster, and the
# pipeline's rights. Temporal and the ingress controller are installed into the cluster with their charts.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Bucket and key come with -backend-config; the lock is a file beside the state.
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      product     = "mshub"
      environment = "prod"
      managed-by  = "terraform"
    }
  }
}

locals {
  name      = "mshub-prod"
  namespace = "mshub-prod"
}

module "network" {
  source = "../../modules/network"

  name   = local.name
  region = var.region
  cidr   = var.cidr
}

module "registry" {
  source = "../../modules/registry"

  name = "mshub"
}

module "database" {
  source = "../../modules/database"

  name           = local.name
  vpc_id         = module.network.vpc_id
  subnet_ids     = module.network.private_subnet_ids
  allowed_cidr   = module.network.cidr
  instance_class = var.database_class
  storage_gb     = 100
  multi_az       = true
}

module "cache" {
  source = "../../modules/cache"

  name         = local.name
  vpc_id       = module.network.vpc_id
  subnet_ids   = module.network.private_subnet_ids
  allowed_cidr = module.network.cidr
  node_type    = var.cache_type
  auth_token   = var.redis_password
}

module "bucket" {
  source = "../../modules/bucket"

  name   = var.bucket
  origin = var.public_url
}

module "cluster" {
  source = "../../modules/cluster"

  name               = local.name
  kubernetes_version = "1.34"
  subnet_ids         = module.network.private_subnet_ids
  api_cidrs          = var.api_cidrs
  instance_types     = var.instance_types
  nodes              = { min = 3, max = 8 }
  namespace          = local.namespace
  bucket_arn         = module.bucket.arn
}

module "ci" {
  source = "../../modules/ci"

  name           = local.name
  issuer_arn     = var.jenkins_issuer_arn
  issuer_host    = var.jenkins_issuer_host
  job            = var.jenkins_job
  repository_arn = module.registry.repository_arn
  cluster_arn    = module.cluster.arn
  cluster_name   = module.cluster.name
  namespace      = local.namespace
}
