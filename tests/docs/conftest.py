"""The fixtures of `tests/app` that tests of the documentation use, too."""

from tests.app.conftest import client, node

__all__ = ["client", "node"]
