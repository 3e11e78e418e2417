output "name" {
  description = "For MSHUB_FILES_BUCKET."
  value       = aws_s3_bucket.this.bucket
}

output "arn" {
  description = "For the role that may use it."
  value       = aws_s3_bucket.this.arn
}
