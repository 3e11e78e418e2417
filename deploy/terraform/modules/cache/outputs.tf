output "address" {
  description = "Host name of the primary; REDIS_URL uses rediss://."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}
