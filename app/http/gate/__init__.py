"""What every request passes before it is answered: the browser guard, limits, tokens, HEAD, the access log."""
