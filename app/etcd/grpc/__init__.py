"""etcd's API over gRPC: HTTP/2 on the listener's port, and messages in protobuf.

`http2/` carries requests and answers between sockets and ASGI, `calls.py` is the ASGI application that makes calls of
them, `protobuf.py` reads and writes messages, `framing.py` what lies between.
"""
