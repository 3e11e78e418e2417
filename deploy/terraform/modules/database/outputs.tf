output "address" {
  description = "Host name."
  value       = aws_db_instance.this.address
}

output "owner_secret_arn" {
  description = "Where AWS keeps the administrator's login."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
