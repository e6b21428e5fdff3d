"""What the gossip layer claims, judged: versions, values, liveness, convergence."""
