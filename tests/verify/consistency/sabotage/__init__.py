"""Nodes that are broken on purpose, and the hunt that must catch each."""
