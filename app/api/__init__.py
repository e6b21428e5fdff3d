"""The HTTP API: every route, and the application that serves them.

`app.py` puts it together. `keys/fast_paths.py` answers `/v1/kv/{key}` and `/v1/meta/{key}`; `dispatcher.py` forwards
what the leader has to do, and leaves the rest to FastAPI, which documents the fast paths too.
"""
