variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "issuer_arn" {
  description = "IAM's OIDC provider for Jenkins."
  type        = string
}

variable "issuer_host" {
  description = "Its address without https://."
  type        = string
}

variable "job" {
  description = "Subject of the one job that may deploy."
  type        = string
}

variable "repository_arn" {
  description = "Where it pushes."
  type        = string
}

variable "cluster_arn" {
  description = "Which cluster it deploys to."
  type        = string
}

variable "cluster_name" {
  description = "The same by name."
  type        = string
}

variable "namespace" {
  description = "And which namespace of it."
  type        = string
}
