"""What a datagram holds: identities, key-values, digests, deltas, messages, seals (gossip spec 1, 2)."""
