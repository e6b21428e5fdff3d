"""Histories with known verdicts, good and bad."""
