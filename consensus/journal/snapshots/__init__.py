"""Snapshot files: format, writing, installing, reading."""
