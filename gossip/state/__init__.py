"""What a node holds of every node, itself included: namespaces, tombstones, the node table (gossip spec 1)."""
