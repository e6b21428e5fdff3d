"""Tests of everything, and the means to verify it: `verify/` has the checkers and simulators."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""
