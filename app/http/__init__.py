"""HTTP without routes: the server and its limits, the gate that every request passes, forwarding to the leader.

protocol (connections) -> gate (limits, browser guard, authority, access log) -> the application
"""
