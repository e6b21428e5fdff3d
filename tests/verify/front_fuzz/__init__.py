"""Mutated bytes at the front of a node: its HTTP port and its gossip, with bounds on time, memory and descriptors."""
