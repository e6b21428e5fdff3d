"""Whole clusters of gossip engines in one process, in virtual time, from one seed (gossip spec 8)."""
