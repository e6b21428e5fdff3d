"""Runs for people: a page for one, tables for many."""
