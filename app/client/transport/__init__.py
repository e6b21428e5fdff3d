"""How requests reach a node: connections, retries, timeouts, TLS, streams."""
