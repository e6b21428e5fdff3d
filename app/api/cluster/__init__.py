"""Routes about nodes and members: membership, both layers in one picture, Raft, leaving, health, metrics."""
