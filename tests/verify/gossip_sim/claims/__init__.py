"""What is claimed of gossip, shown in virtual time."""
