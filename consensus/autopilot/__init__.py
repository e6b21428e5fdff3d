"""Between gossip and Raft: founding a cluster, finding one to join, and choosing who votes (spec section 4).

Gossip advises, and never decides: it gives candidates, addresses and evidence. `bootstrap` and `rules` are the two
decisions, pure; `agent` and `governor` carry them out. How it works, and why: DESIGN.md beside this file.
"""
