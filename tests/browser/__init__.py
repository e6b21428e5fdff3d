"""Pages of a node in a real browser."""
