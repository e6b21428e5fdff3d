"""This node's view of Raft: its own agent's where it takes part, gossip's everywhere."""
