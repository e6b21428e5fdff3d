"""Load on the Raft layer: keys, transactions, locks, leases, watches."""
