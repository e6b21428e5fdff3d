"""What operators see of an engine. The protocol reads nothing of it."""
