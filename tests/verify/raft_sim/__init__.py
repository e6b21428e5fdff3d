"""A deterministic simulator of Raft groups: the real node on in-memory network, disks and clocks, from one seed."""
