"""The errors of reading data: what, where, and why."""

from __future__ import annotations


class DataError(ValueError):
    """Input data that cannot be read."""


class DecodeError(DataError):
    """A Thrift message that is malformed.

    Attributes:
        record: Index of the record in its batch; None for a message outside any record, such as
            the envelope or the common features of a batch request.
        offset: Byte offset from the start of that record (or message).
        reason: What is wrong there.
    """

    def __init__(self, record: int | None, offset: int, reason: str) -> None:
        self.record = record
        self.offset = offset
        self.reason = reason
        place = f"byte {offset}" if record is None else f"record {record}, byte {offset}"
        super().__init__(f"{place}: {reason}")

    def __reduce__(self) -> tuple[type[DecodeError], tuple[int | None, int, str]]:
        return type(self), (self.record, self.offset, self.reason)


class ContainerError(DataError):
    """A file whose container (block format, lzop, gzip) is damaged or unsupported."""
