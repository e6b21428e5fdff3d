"""What commands print with `--json` where no answer of the API has that shape."""
