"""The cluster's metadata as what a runtime replicates: state machine, calls, watches, leases, and duties of the leader.

Two duties keep replicas alike, whatever release each member runs: levels of operations, and digests of the state.
"""
