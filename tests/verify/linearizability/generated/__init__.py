"""Histories made linearizable, and the same with one thing broken."""
