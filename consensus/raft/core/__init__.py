"""Raft's decisions as one pure function: `step(state, event, now)` says what to store, send and complete.

It reads no clock and waits for nothing. The log, the snapshot store and the state machine stand behind interfaces
(`raft/ports.py`) whose calls only touch memory; what waits for a disk is in the answer as a job.
"""
