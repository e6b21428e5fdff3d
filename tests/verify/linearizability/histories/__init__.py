"""What a history is, the sequential model behind it, and how it is kept and written down."""
