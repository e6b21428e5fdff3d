"""Whole clusters of gossip engines in one process, in virtual time, from one seed (spec section 8)."""
