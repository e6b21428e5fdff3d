"""What every command is made with: its class, shared options, the session with a node, completion."""
