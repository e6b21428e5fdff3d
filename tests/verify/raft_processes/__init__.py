"""A Raft group of real processes: killed, stopped, cut from power, attacked."""
