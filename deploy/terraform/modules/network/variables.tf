variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "region" {
  description = "AWS region, for the names of endpoints."
  type        = string
}

variable "cidr" {
  description = "Address range of the network, a /16."
  type        = string
}
