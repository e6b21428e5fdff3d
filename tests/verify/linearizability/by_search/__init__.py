"""The second opinion: a search for a linearization, by answers and real time alone."""
