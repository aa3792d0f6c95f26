"""A prediction service that runs somewhere, asked over Thrift."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from deepbird_v2.serving.client import Client

__all__ = ["ServiceEngine"]


class ServiceEngine:
    """A connection to an endpoint.

    Args:
        address: ``thrift://host:port`` (framed), or ``thrift+buffered://host:port``.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        framed = parts.scheme == "thrift"
        self._client = Client(parts.hostname or "", parts.port or 0, framed=framed)

    def answer(self, records: Sequence[bytes]) -> object:
        """Encoded predictions of encoded records."""
        return self._client.batch(records)

    def close(self) -> None:
        """End the connection."""
        self._client.close()
