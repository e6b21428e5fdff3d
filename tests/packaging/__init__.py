"""What is installed: the wheel."""
