"""What keeps replicas alike, whatever release each member runs: levels of operations, and digests of the state."""
