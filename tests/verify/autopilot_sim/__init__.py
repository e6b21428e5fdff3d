"""Both layers in virtual time: how a cluster is founded, and how live nodes become voters, from one seed."""
