"""Raft's core, event by event: each `.txt` holds commands and what the core answers. It is documentation, and a test.

`REWRITE=1` writes what the core answers now into the files; read the difference before it is committed.
"""
