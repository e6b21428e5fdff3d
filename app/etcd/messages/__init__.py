"""What clients of etcd's API send and get, as plain structs: names and numbers of fields are those of its protobuf."""
