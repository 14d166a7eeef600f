"""The syntax of `EnvironmentFile=`, read as systemd reads it (systemd.exec(5), `parse_env_file` in its source)."""

from __future__ import annotations

from typing import Final

_BLANK: Final = " \t\r"
_ESCAPED_IN_QUOTES: Final = '"\\`$'


def parsed(text: str) -> dict[str, str]:
    """The variables of an environment file. A later line of the same name wins; a line without `=` sets nothing.

    Lines that begin with `#` or `;` are comments, a `#` behind a value is a part of it. A value may stand in single or
    double quotes; a backslash at the end of a line joins the next one.
    """
    variables: dict[str, str] = {}
    place = 0
    while place < len(text):
        if text[place] in f"{_BLANK}\n":
            place += 1
            continue
        end = _end_of_line(text, place)
        equals = text.find("=", place, end)
        if text[place] in "#;" or equals < 0:
            place = end + 1
            continue
        name = text[place:equals].strip(_BLANK)
        value, place = _value(text, equals + 1)
        if name.isascii() and name.isidentifier():
            variables[name] = value
    return variables


def _end_of_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _value(text: str, place: int) -> tuple[str, int]:
    """The value that begins at `place`, and where the next line begins."""
    parts: list[str] = []
    while place < len(text) and text[place] != "\n":
        if text[place] in _BLANK:
            place += 1
        elif text[place] == "'":
            end = text.find("'", place + 1)
            end = len(text) if end < 0 else end
            parts.append(text[place + 1 : end])
            place = end + 1
        elif text[place] == '"':
            part, place = _double_quoted(text, place + 1)
            parts.append(part)
        else:
            part, place = _bare(text, place)
            parts.append(part)
    return "".join(parts), place + 1


def _double_quoted(text: str, place: int) -> tuple[str, int]:
    """What stands before the closing quote, and the place behind it."""
    part = ""
    while place < len(text) and text[place] != '"':
        if text[place] == "\\" and place + 1 < len(text):
            place += 1
            if text[place] != "\n":
                part += text[place] if text[place] in _ESCAPED_IN_QUOTES else f"\\{text[place]}"
        else:
            part += text[place]
        place += 1
    return part, place + 1


def _bare(text: str, place: int) -> tuple[str, int]:
    """A value without quotes, up to the end of its line; blanks at its end do not count."""
    part, kept = "", 0
    while place < len(text) and text[place] != "\n":
        if text[place] == "\\" and place + 1 < len(text):
            place += 1
            part += "" if text[place] == "\n" else text[place]
            kept = len(part)
        else:
            part += text[place]
            kept = kept if text[place] in _BLANK else len(part)
        place += 1
    return part[:kept], place
