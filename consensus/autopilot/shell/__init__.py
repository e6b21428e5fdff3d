"""Everything of the autopilot that holds tasks, clocks, files or a Raft member; the rest of the package is pure."""
