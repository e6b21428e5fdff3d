"""What each operation does to the state: one function an operation."""
