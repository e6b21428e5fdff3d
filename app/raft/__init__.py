"""What a node knows of Raft, for HTTP, health and metrics: gossip's view and, where it takes part, its agent's."""
