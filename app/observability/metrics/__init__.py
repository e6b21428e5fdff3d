"""Metrics at `/metrics`, in Prometheus' format and by its naming conventions.

Counters are plain numbers where things happen (`gossip/`, `consensus/`, `http.py`, `loop_lag.py`); the collectors here
read them when a scrape asks. Labels take values of small fixed sets: never a key, and never what another node sends.
"""
