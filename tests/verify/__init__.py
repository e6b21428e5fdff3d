"""Checkers, simulators and fault drivers: README.md says what each finds, how to run it, how to replay a seed."""
