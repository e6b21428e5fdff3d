"""What the state machine reports to its shell (gossip spec 6, 8)."""
