"""Diffs: what changed in gossip, Raft and the metadata since the last diff, as events."""
