"""Raft's subjects, each a few functions that take the state: none knows of the one function that calls them all."""
