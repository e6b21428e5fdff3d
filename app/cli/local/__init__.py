"""Commands that ask no node: settings, recovery, schemas, completion, help."""
