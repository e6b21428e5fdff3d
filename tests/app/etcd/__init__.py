"""The API of etcd: messages, service, codecs."""
