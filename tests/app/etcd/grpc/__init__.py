"""etcd's API over gRPC."""
