"""Live updates: a snapshot of the cluster, and then events that keep it true.

    gossip, Raft, metadata -> diffs -> hub (ring of encoded events) -> feeds (a position in it) -> transports

An event is encoded once, however many clients read it. A subscriber is a position in the ring: a slow one costs nothing
and delays nobody; when the ring has passed it, it gets an `end` and is dropped. Snapshots may be older than the
position from which a client goes on, never newer, so events may repeat what a snapshot shows. Each event brings the
whole new state of its subject, so repetition does no harm.
"""
