"""Commands about the cluster and its nodes: status, members, Raft, tokens, events, backup, leave."""
