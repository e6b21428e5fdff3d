"""How two nodes reconcile their states: Syn, SynAck, Ack, and what they carry (gossip spec 3, 4)."""
