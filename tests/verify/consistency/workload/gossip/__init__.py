"""Load on the gossip layer, and observers of every node."""
