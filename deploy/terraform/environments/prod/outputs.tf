output "registry" {
  description = "Where the pipeline pushes; the host is MSHUB_REGISTRY."
  value       = module.registry.repository_url
}

output "database_address" {
  description = "For DATABASE_URL."
  value       = module.database.address
}

output "database_owner_secret" {
  description = "Secret that holds the login of MSHUB_MIGRATE_DATABASE_URL."
  value       = module.database.owner_secret_arn
}

output "redis_address" {
  description = "For REDIS_URL (rediss://)."
  value       = module.cache.address
}

output "bucket" {
  description = "For MSHUB_FILES_BUCKET (s3://…)."
  value       = module.bucket.name
}

output "cluster" {
  description = "For aws eks update-kubeconfig."
  value       = module.cluster.name
}

output "ci_role" {
  description = "The role that the pipeline takes."
  value       = module.ci.role_arn
}
