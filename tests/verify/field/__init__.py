"""Field reports: what operators of similar systems hit first, tried on real nodes (`README.md` has the table)."""
