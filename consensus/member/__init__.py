"""A member of a Raft group in this process, and the metadata API as it serves it."""
