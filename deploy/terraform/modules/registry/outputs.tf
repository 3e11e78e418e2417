output "repository_url" {
  description = "Address to push to."
  value       = aws_ecr_repository.this.repository_url
}

output "repository_arn" {
  description = "For the pipeline's role."
  value       = aws_ecr_repository.this.arn
}
