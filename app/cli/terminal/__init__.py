"""Input and output of commands: text, tables, JSON, errors and exit codes."""
