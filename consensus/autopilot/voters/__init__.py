"""The rules from live nodes to voters, pure: `rules.decide` takes a view of the cluster and gives the next decision."""
