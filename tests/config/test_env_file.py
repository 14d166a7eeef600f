"""An env file is read as systemd reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.config.env_file import parsed


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("# A=1\n; B=2\n\n  \nC=3\n", {"C": "3"}),
        ("A=1 # no comment", {"A": "1 # no comment"}),
        ("A = 1  \n B=2", {"A": "1", "B": "2"}),
        ("A=\nB=2", {"A": "", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A='one  two'\nB=\"three # four\"", {"A": "one  two", "B": "three # four"}),
        ('A="a \\"b\\" \\$c \\d"', {"A": 'a "b" $c \\d'}),
        ("A=one\\\ntwo\nB=3", {"A": "onetwo", "B": "3"}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ("A='left open\nB=2", {"A": "left open\nB=2"}),
        ("A=it's", {"A": "it's"}),
        ("A=a\\ b\\\\", {"A": "a b\\"}),
        ("A='x''y'", {"A": "xy"}),
        ("export A=1\nno equals sign\n1B=2\nC=3", {"C": "3"}),
        ("REDIS_URL=redis://:p#w=1@h:6379/0\r\n", {"REDIS_URL": "redis://:p#w=1@h:6379/0"}),
    ],
)
def test_the_syntax(text: str, variables: dict[str, str]) -> None:
    """Comments, quotes, escapes, joined lines, and lines that set nothing (systemd.exec(5))."""
    assert parsed(text) == variables


@given(st.text(alphabet="AB=\"'\\\n #;\t", max_size=40))
def test_any_text_has_an_end(text: str) -> None:
    """No text raises or loops."""
    parsed(text)
