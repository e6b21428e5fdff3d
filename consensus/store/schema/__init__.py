"""What log entries, results and snapshots are encoded from: types, limits, refusal codes, and the codec."""
