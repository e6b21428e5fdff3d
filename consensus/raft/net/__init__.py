"""Raft's links over TCP: authenticated, typed, length-capped frames (faults 6, 12, 13, 16; raft spec 2b)."""
