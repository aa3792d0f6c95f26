"""Bytes to text that a YAML parser can take: UTF-8, bounded, placeholders kept from its grammar."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from legacy_yaml.problems import Mark

if TYPE_CHECKING:
    from legacy_yaml.problems import Problems

MAX_BYTES = 16 * 2**20
VARIABLE_NAME = r"[A-Za-z_][\w.-]*"

_PLACEHOLDER = re.compile(rf"\$\{{({VARIABLE_NAME})\}}")
_SHIELDED = re.compile(f"\\$\ue000({VARIABLE_NAME})\ue001")


def decode(data: bytes | str, file: str, problems: Problems) -> str:
    """Checks that the text is UTF-8 of a sane size, without characters YAML forbids."""
    if len(data) > MAX_BYTES:
        raise problems.fatal(Mark(file, 1, 1), "", f"larger than {MAX_BYTES:,} bytes: not a config")
    if isinstance(data, str):
        text = data
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8")
            byte = data[error.start]
            message = f"not UTF-8 (byte 0x{byte:02x}): save the file as UTF-8"
            raise problems.fatal(_mark_after(before, file), "", message) from error
    text = text.removeprefix("\ufeff")
    forbidden = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if forbidden:
        message = f"the character U+{ord(forbidden.group()):04X} is not allowed in YAML"
        raise problems.fatal(_mark_after(text[: forbidden.start()], file), "", message)
    return text


def shield(text: str) -> str:
    """Lets ``${name}`` stand unquoted inside [...] and {...}, where YAML wants its braces.

    The braces become two characters of the private use area, so that no column moves.
    """
    return _PLACEHOLDER.sub("$\ue000\\1\ue001", text)


def unshield(text: str) -> str:
    """Undoes ``shield``."""
    return _SHIELDED.sub(r"${\1}", text)


def _mark_after(before: str, file: str) -> Mark:
    before = before.removeprefix("\ufeff")
    return Mark(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
