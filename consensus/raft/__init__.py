"""The hardened Raft node: a pure core, and the shell that carries out what it decides (raft spec 1, 2 and 2b)."""
