"""The Raft log in segment files: frames, segments, writing, recovery."""
