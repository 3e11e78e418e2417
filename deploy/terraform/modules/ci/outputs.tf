output "role_arn" {
  description = "For the Jenkins credential mshub-push-role-arn."
  value       = aws_iam_role.this.arn
}
