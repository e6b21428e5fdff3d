"""What a client can ask of nodes, one module for each part of the API."""
