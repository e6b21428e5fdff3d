"""Pages for the browser: the console at `/ui/` and the API documentation at `/docs`, with all that they load."""
