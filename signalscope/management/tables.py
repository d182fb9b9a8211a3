"""Prints rows as an aligned table, JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 80
_GAP = 1
# A cell that a spreadsheet would take for a formula, as it is or once it is trimmed or unquoted.
# Some take the full-width signs of Asian keyboards for the plain ones.
_FORMULA = re.compile(r"""[\s"'\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]""")
# What turns the direction of the text that follows, a terminal's as well as a spreadsheet's.
_TURNS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
_MARKDOWN = str.maketrans({"|": "\\|", "\\": "\\\\", "`": "\\`", "*": "\\*", "<": "&lt;"})

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column: the key of its values, its title, and how a value reads in a table.

    is_number: to the right; numbers are never cut.
    is_below: not in the line, but on a line of its own below it.
    """

    key: str
    title: str
    text: Callable[[Any], str] = str
    is_number: bool = False
    is_below: bool = False


def as_json(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Return a list of objects with the columns' keys."""
    keys = [column.key for column in columns]
    return json.dumps([{key: row[key] for key in keys} for row in rows], indent=2)


def as_csv(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Return comma-separated values, a line of keys first; no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in columns])
    for row in rows:
        writer.writerow([_harmless(row[column.key]) for column in columns])
    return out.getvalue().rstrip("\n")


def as_md(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Return a Markdown table."""
    lines = [
        _md_line(column.title for column in columns),
        _md_line("---:" if column.is_number else "---" for column in columns),
    ]
    for row in rows:
        lines.append(_md_line(_md_text(column.text(row[column.key])) for column in columns))  # noqa: PERF401
    return "\n".join(lines)


def as_table(columns: Sequence[Column], rows: Sequence[Row], width: int = WIDTH) -> str:
    """
    Return an aligned table, no line of which is wider than asked for.

    Texts that find no room lose their beginning, the least telling part of a dotted name.
    """
    return "\n".join(table_blocks(columns, rows, width))


def table_blocks(columns: Sequence[Column], rows: Sequence[Row], width: int = WIDTH) -> list[str]:
    """Return an aligned table in pieces: its head, then each row with what stands below it."""
    across = [column for column in columns if not column.is_below]
    below = [column for column in columns if column.is_below]
    cells = [[printable(column.text(row[column.key])) for column in across] for row in rows]
    widths = _widths(across, cells, width)
    lines = [_line(across, [column.title for column in across], widths)]
    lines += [f"  {cut_end(column.title, width - 2)}".rstrip() for column in below if column.title]
    lines.append("-" * min(width, sum(widths) + _GAP * (len(widths) - 1)))
    blocks = ["\n".join(lines)]
    for row, line in zip(rows, cells, strict=True):
        texts = [printable(column.text(row[column.key])) for column in below]
        notes = [f"  {cut(text, width - 2)}" for text in texts if text]
        blocks.append("\n".join([_line(across, line, widths), *notes]))
    return blocks


def wrap(sentence: str, width: int = WIDTH) -> str:
    """Return a sentence on lines that are not wider than asked for."""
    return "\n".join(textwrap.wrap(sentence, width, break_on_hyphens=False))


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text fills."""
    return len(text) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)


def cut(text: str, width: int) -> str:
    """Return the end of a text, with "…" before it where there was more."""
    if text_width(text) <= width:
        return text
    while text and text_width(text) >= width:
        text = text[1:]
    return f"…{text}"


def cut_end(text: str, width: int) -> str:
    """Return the beginning of a text, with "…" after it where there was more."""
    if text_width(text) <= width:
        return text
    while text and text_width(text) >= width:
        text = text[:-1]
    return f"{text}…"


def printable(text: str) -> str:
    """Return a text without what moves the cursor, changes colours or joins another letter."""
    return "".join(
        letter if letter.isprintable() and not unicodedata.combining(letter) else "?"
        for letter in text
    )


def encodable(text: str, stream: object) -> str:
    """Return a text as far as a stream's encoding has its letters, "?" for the others."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    if _FORMULA.match(value):
        value = f"'{value}"
    # Before Python 3.13, csv leaves a lone carriage return unquoted: a line break to its readers.
    return _plain(value.replace("\r", "\n"))


def _plain(text: str) -> str:
    """Return a text without what moves the cursor or turns the text behind it; lines stay."""
    return "".join(
        "?"
        if (unicodedata.category(letter) == "Cc" and letter not in "\t\n")
        or unicodedata.bidirectional(letter) in _TURNS
        else letter
        for letter in text
    )


def _md_text(text: str) -> str:
    text = " ".join(_plain(text).split()).translate(_MARKDOWN)
    return text.replace("__", "\\_\\_")


def _md_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _widths(columns: Sequence[Column], cells: list[list[str]], width: int) -> list[int]:
    """Give each column what its widest cell needs; the widest texts give way."""
    widths = [
        max([text_width(column.title), *(text_width(line[index]) for line in cells)])
        for index, column in enumerate(columns)
    ]
    texts = [index for index, column in enumerate(columns) if not column.is_number]
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    while excess > 0:
        widest = max(texts, key=lambda index: widths[index])
        if widths[widest] <= 4:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for column, cell, width in zip(columns, cells, widths, strict=True):
        shown = cell if column.is_number else cut(cell, width)
        space = " " * (width - text_width(shown))
        parts.append(space + shown if column.is_number else shown + space)
    return (" " * _GAP).join(parts).rstrip()


FORMATS: Mapping[str, Callable[[Sequence[Column], Sequence[Row]], str]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
    "md": as_md,
}
