"""`coterie bench`: a load against a running cluster, and its report."""
