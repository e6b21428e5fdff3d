"""Founding a cluster, or finding one to join: `bootstrap.step` decides, purely (raft spec 4, bootstrap)."""
