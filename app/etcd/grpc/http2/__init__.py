"""HTTP/2 for ASGI applications, on h2: streams and their windows, bounded in all that a client can cause."""
