variable "name" {
  description = "Name of the group."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "allowed_cidr" {
  description = "Who may connect."
  type        = string
}

variable "node_type" {
  description = "Size of a node."
  type        = string
}

variable "auth_token" {
  description = "Password, 16 to 128 characters."
  type        = string
  sensitive   = true
}
