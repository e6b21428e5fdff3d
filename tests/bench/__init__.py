"""`make bench`: what things cost."""
