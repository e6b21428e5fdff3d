"""Real nodes as processes on loopback."""
