"""Child processes that a command runs for the user."""
