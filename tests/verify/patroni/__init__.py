"""Patroni and PostgreSQL, three of each, on Coterie and on etcd side by side: how long no primary takes writes."""
