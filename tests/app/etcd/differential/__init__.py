"""The same random requests to a real etcd and to Coterie, and the answers held against each other.

    .venv/bin/python -m tests.app.etcd.differential --requests 100000 --seed 7

starts both, and says which requests were answered differently. Debian has etcd as `etcd-server`.
"""
