"""Health, metrics, logs and traces of a node."""
