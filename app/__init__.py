"""What people and programs touch: the HTTP API, the node that serves it, settings, command line, client and console.

Each room imports only rooms that stand behind it in this order, which `pyproject.toml` enforces: main, cli, node and
client, api, auth and console, http, observability, raft, settings, wire.
"""
