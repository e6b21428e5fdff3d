"""When a node counts as dead, and how far this node trusts its own verdicts (gossip spec 5)."""
