"""Parameters of requests: each declared once, documented from there, and refused where it is unknown."""
