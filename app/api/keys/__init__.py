"""Routes of keys: gossip's and the metadata's keys, transactions and watches."""
