"""The fixtures of `tests/app` that tests of the documentation use, too."""

from tests.app.conftest import anyio_backend, client, node

__all__ = ["anyio_backend", "client", "node"]
