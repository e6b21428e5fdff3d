"""What a checker finds, in words and drawn."""
