"""The main checker: a history against the record of what was committed, revision by revision."""
