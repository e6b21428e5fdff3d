"""Events on their way to clients: encoded, numbered, kept in a ring, filtered by what a token may read."""
