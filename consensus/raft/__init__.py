"""The hardened Raft node on PySyncObj (consensus specification, sections 1, 2 and 2b)."""
