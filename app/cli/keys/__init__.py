"""Commands that read and write keys: `coterie kv` for gossip's, `coterie meta` for the metadata's."""
