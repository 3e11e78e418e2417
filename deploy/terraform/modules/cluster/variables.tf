variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes release."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets for nodes."
  type        = list(string)
}

variable "api_cidrs" {
  description = "Addresses that may reach the API server from outside; empty: none."
  type        = list(string)

  validation {
    condition     = !contains(var.api_cidrs, "0.0.0.0/0")
    error_message = "The API server is not for the whole world."
  }
}

variable "instance_types" {
  description = "EC2 types of the nodes."
  type        = list(string)
}

variable "nodes" {
  description = "Fewest and most nodes."
  type        = object({ min = number, max = number })
}

variable "namespace" {
  description = "Namespace of the product."
  type        = string
}

variable "bucket_arn" {
  description = "The bucket that the files role uses."
  type        = string
}
