"""The members as processes: started, driven over their pipes, ended."""
