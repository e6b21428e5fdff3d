"""Models of live updates: events, samples and messages."""
