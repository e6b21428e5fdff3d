"""A node: its start, its sockets, its reload and its end. `run.py` puts it together."""
