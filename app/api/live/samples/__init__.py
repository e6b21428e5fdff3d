"""Samples: values that change all the time, sent at an interval without ids."""
