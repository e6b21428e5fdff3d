"""Which nodes there are: joining, liveness, leaving, refutation, peer selection (gossip spec 5, 7)."""
