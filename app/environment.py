"""The prefixes of environment variables: those of nodes, and within them those of clients, which nodes pass over."""

ENV_PREFIX = "COTERIE_"

CLIENT_ENV_PREFIX = ENV_PREFIX + "CLIENT_"
