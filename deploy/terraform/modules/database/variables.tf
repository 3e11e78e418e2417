variable "name" {
  description = "Name of the instance."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)
}

variable "allowed_cidr" {
  description = "Who may connect."
  type        = string
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
}

variable "storage_gb" {
  description = "Storage at the start; it grows up to four times by itself."
  type        = number
}

variable "multi_az" {
  description = "A standby in another zone."
  type        = bool
}
