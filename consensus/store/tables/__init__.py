"""The data of the replicated state: keyspace with history, leases, queues, remembered requests."""
