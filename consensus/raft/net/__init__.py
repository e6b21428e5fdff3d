"""Raft's links over TCP: authenticated, typed, length-capped frames (specification, sections 2 (6, 12, 13, 16) and
2b)."""
