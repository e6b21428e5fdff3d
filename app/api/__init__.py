"""The HTTP face under `/v1`: members, keys of the gossip layer, metadata of the Raft layer, both in one picture.

`face.py` puts it together. `/v1/kv/{key}` and `/v1/meta/{key}` are served by `hot.py`, a bare ASGI application;
everything else by FastAPI, which also documents the hot paths. Both call the same functions.
"""
