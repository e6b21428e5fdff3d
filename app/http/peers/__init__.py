"""Speaking HTTP with other nodes: connections, and the proof of whoever answers before it is sent anything of worth."""
