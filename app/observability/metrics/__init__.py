"""What a node tells of itself at `/metrics`, in the format and by the naming conventions of Prometheus.

Counters are plain numbers where things happen (`gossip/`, `consensus/`, `http.py`, `loop_lag.py`); the collectors here
read them when somebody asks. Labels take values of small fixed sets: never a key, and never what another node says.
"""
