"""What a node knows, as plain records: nothing here decides."""
