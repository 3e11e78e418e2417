output "name" {
  description = "For aws eks update-kubeconfig."
  value       = aws_eks_cluster.this.name
}

output "arn" {
  description = "For the pipeline's role."
  value       = aws_eks_cluster.this.arn
}
