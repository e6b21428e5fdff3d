"""Between gossip and Raft: founding a cluster, finding one to join, and choosing who votes (raft spec 4).

Gossip advises, and never decides: it gives addresses, evidence, and nodes that may vote. `founding` and `voters` hold
the two decisions, pure; `shell` carries them out. How it works, and why: DESIGN.md beside this file.
"""
