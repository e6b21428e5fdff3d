"""What operators see of a member: its status, figures and traces."""
