"""Settings: their names, types, defaults and meanings (`settings.py` and the tables), and how they are loaded.

The docstrings of the tables are the text of `configs/reference.toml`, which `reference.py` writes.
"""
