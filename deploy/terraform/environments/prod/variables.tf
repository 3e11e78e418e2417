variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "cidr" {
  description = "Address range of the network."
  type        = string
  default     = "10.40.0.0/16"
}

variable "public_url" {
  description = "The product's address: MSHUB_PUBLIC_URL."
  type        = string

  validation {
    condition     = startswith(var.public_url, "https://")
    error_message = "Production speaks https."
  }
}

variable "bucket" {
  description = "Name of the bucket for files."
  type        = string
  default     = "mshub-prod-files"
}

variable "database_class" {
  description = "Size of PostgreSQL."
  type        = string
  default     = "db.m7g.large"
}

variable "cache_type" {
  description = "Size of a Redis node."
  type        = string
  default     = "cache.t4g.small"
}

variable "redis_password" {
  description = "Password of Redis; give it by TF_VAR_redis_password."
  type        = string
  sensitive   = true

  validation {
    condition     = length(var.redis_password) >= 32
    error_message = "At least 32 characters, as `openssl rand -hex 24` makes them."
  }
}

variable "instance_types" {
  description = "EC2 types of the cluster's nodes."
  type        = list(string)
  default     = ["m7a.large"]
}

variable "api_cidrs" {
  description = "Addresses that may reach the cluster's API from outside."
  type        = list(string)
  default     = []
}

variable "jenkins_issuer_arn" {
  description = "IAM's OIDC provider for Jenkins."
  type        = string
}

variable "jenkins_issuer_host" {
  description = "Its address without https://."
  type        = string
}

variable "jenkins_job" {
  description = "Subject of the one job that may deploy."
  type        = string
}
