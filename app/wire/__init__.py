"""What server, client and command line share: models of requests and answers, error codes, names."""
