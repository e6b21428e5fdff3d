"""Clients of a simulated group, its state machines, and the history of what they saw."""
