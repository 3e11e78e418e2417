variable "name" {
  description = "Name of the bucket, unique in the world."
  type        = string
}

variable "origin" {
  description = "The product's public address, https://…"
  type        = string
}
