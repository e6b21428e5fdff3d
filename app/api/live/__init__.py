"""Live updates: what a page needs to draw the cluster, and to keep the drawing true, as a snapshot and then events.

    gossip, Raft, metadata -> looks (differences) -> hub (ring of encoded events) -> feeds (a place in it) -> transports

An event is encoded once, however many clients read it. A client is no more than a place in the ring: a slow one costs
nothing and keeps nobody waiting; when the ring has passed it, it is told, and dropped. Snapshots may be older than the
place from which a client goes on, never newer, so events may repeat what a snapshot shows; each of them brings the
whole new state of its subject, so that what a client holds comes out right all the same.
"""
