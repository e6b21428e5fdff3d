"""The HTTP API: every route, and the application that serves them.

`app.py` puts it together. `dispatcher.py` answers `/v1/kv/{key}` and `/v1/meta/{key}` by fast paths, forwards what the
leader has to do, and leaves the rest to FastAPI, which documents the fast paths too. Both call the same functions.
"""
