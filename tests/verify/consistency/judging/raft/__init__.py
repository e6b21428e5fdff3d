"""What the Raft layer claims, judged: linearizability, watches, fences, leases."""
