"""What a node keeps in its data directory beside Raft's files: its identity, its own keys, the addresses of peers."""
