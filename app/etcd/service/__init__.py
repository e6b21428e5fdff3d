"""etcd's API carried out on the metadata: one module a service, over what all of them share (`access.py`)."""
