"""The asyncio shell: socket, clock, timer, look-ups and log around the pure engine (gossip spec 8)."""
