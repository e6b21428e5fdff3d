"""The API of etcd, version 3, over the metadata: what speaks etcd works on Coterie.

`rpcs.py` has the calls and what codecs and service expect of each other; `messages/` what goes in and out. The
codecs are in `gateway/` and `grpc/`. The service speaks to the same `Metadata` as `/v1`: a key written by either is the
same key.
"""
