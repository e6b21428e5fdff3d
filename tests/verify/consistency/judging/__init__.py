"""Verdicts on a run, from its folder alone."""
