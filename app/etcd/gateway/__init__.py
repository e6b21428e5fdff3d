"""The JSON gateway: etcd's API over HTTP/1.1 and WebSocket, as grpc-gateway has it."""
