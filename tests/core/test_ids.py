"""Client ids: a pure function of the intent, readable back, acceptable to the venue (invariant 4)."""

import re
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.model import ids
from position_monitor.core.model.orders import Role, Tag
from position_monitor.core.model.sides import Side

from .build import LONG, SHORT, D

VENUE_RULE = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


@dataclass(frozen=True)
class Intent:
    account: str = "main"
    symbol: str = "BTCUSDT"
    side: Side = LONG
    role: Role = Role.WORKING_STOP
    rung: int = 0
    trigger: Decimal = Decimal("98.5")
    quantity: Decimal | None = Decimal(1)
    epoch: str = "0mb3k2xa"
    revision: int = 0
    limit: bool = False

    @property
    def id(self) -> str:
        return ids.client_id(**asdict(self))


BASE = Intent()
OTHERS = [
    replace(BASE, account="second"),
    replace(BASE, symbol="ETHUSDT"),
    replace(BASE, side=SHORT),
    replace(BASE, role=Role.BACKSTOP),
    replace(BASE, role=Role.TAKE_PROFIT),
    replace(BASE, role=Role.CLOSE),
    replace(BASE, role=Role.TAKE_PROFIT, limit=True),
    replace(BASE, rung=1),
    replace(BASE, rung=21),
    replace(BASE, trigger=D("98.51")),
    replace(BASE, quantity=D("1.001")),
    replace(BASE, quantity=None),
    replace(BASE, epoch="0mb3k2xb"),
    replace(BASE, revision=1),
]

intents = st.builds(
    Intent,
    account=st.text(st.characters(codec="utf-8", exclude_characters="|"), min_size=1, max_size=20),
    symbol=st.text(st.characters(codec="utf-8", exclude_characters="|"), min_size=1, max_size=30),
    side=st.sampled_from(Side),
    role=st.sampled_from(Role),
    rung=st.integers(0, 35),
    trigger=st.decimals("0", "9999999", places=8),
    quantity=st.none() | st.decimals("0.00000001", "999999999", places=8),
    epoch=st.integers(0, 36**8 - 1).map(ids.epoch_of),
    revision=st.integers(0, 1000),
)


@given(intents)
def test_every_id_fits_the_venue_and_carries_the_prefix(intent):
    assert len(intent.id) <= 32
    assert intent.id.isascii() and intent.id.isalnum()
    assert intent.id.startswith("qpm")
    assert VENUE_RULE.fullmatch(intent.id)


@given(intents)
def test_role_rung_and_epoch_are_read_back(intent):
    assert ids.tag_of(intent.id) == Tag(intent.role, intent.rung, intent.epoch)


@pytest.mark.parametrize(
    "other", OTHERS, ids=lambda intent: ",".join(f"{k}={v}" for k, v in asdict(intent).items() if v != asdict(BASE)[k])
)
def test_any_changed_field_changes_the_id(other):
    assert other.id != BASE.id


@given(intents, intents)
def test_different_intents_have_different_ids(one, other):
    assert (one.id == other.id) is (one == other)


def test_the_same_number_written_differently_is_the_same_intent():
    """A venue that pads its decimals must not make a retry look like a new order."""
    padded = replace(BASE, trigger=D("98.5000"), quantity=D("1.000"))
    assert padded.id == BASE.id
    assert replace(BASE, trigger=D("1E+2")).id == replace(BASE, trigger=D(100)).id


@pytest.mark.parametrize("symbol", ["币安人生USDT", "1000PEPEUSDT", "ÆØÅUSDT", "BTCUSDT_260925"])
def test_symbols_outside_ascii_never_reach_the_id(symbol):
    made = replace(BASE, symbol=symbol).id
    assert made.isascii() and made.isalnum() and len(made) <= 32
    assert made != BASE.id


def test_another_process_makes_the_same_id():
    """No hash seed, no memory: a restarted daemon derives the very same id."""
    code = (
        "from decimal import Decimal as D\n"
        "from position_monitor.core.model import ids\n"
        "from position_monitor.core.model.orders import Role\n"
        "from position_monitor.core.model.sides import Side\n"
        "print(ids.client_id(account='main', symbol='BTCUSDT', side=Side.LONG, role=Role.WORKING_STOP, rung=0,"
        " trigger=D('98.5'), quantity=D(1), epoch='0mb3k2xa'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == BASE.id


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "qpm",
        "web_abcdef",
        "x-QPM1b0",
        BASE.id.upper(),
        BASE.id + "a",
        BASE.id[:-1],
        " " + BASE.id,
        BASE.id + "\n",
        BASE.id.replace("qpm1", "qpm2"),
        BASE.id.replace("qpm1w", "qpm1x"),
    ],
)
def test_everything_that_is_not_exactly_our_form_is_foreign(foreign):
    assert ids.tag_of(foreign) is None
    assert not ids.is_limit(foreign)


def test_the_id_says_whether_a_take_profit_is_a_limit_order():
    """So that it is asked for where it lives; and the same rung as a conditional order has another id."""
    conditional = replace(BASE, role=Role.TAKE_PROFIT, rung=2)
    limit = replace(conditional, limit=True)
    assert (ids.is_limit(limit.id), ids.is_limit(conditional.id)) == (True, False)
    assert ids.tag_of(limit.id) == ids.tag_of(conditional.id) == Tag(Role.TAKE_PROFIT, 2, BASE.epoch)
    assert limit.id[15:] != conditional.id[15:]


@pytest.mark.parametrize("role", [Role.BACKSTOP, Role.WORKING_STOP, Role.CLOSE])
def test_nothing_but_a_take_profit_is_a_limit_order(role):
    with pytest.raises(AssertionError, match="only take-profits"):
        _ = replace(BASE, role=role, limit=True).id


@pytest.mark.parametrize("epoch", ["", "short", "much_too_long"])
def test_an_epoch_of_the_wrong_length_is_refused(epoch):
    with pytest.raises(ValueError, match="epoch was"):
        _ = replace(BASE, epoch=epoch).id


@given(st.integers(0, 36**8 - 1), st.integers(0, 36**8 - 1))
def test_epochs_sort_like_the_times_they_come_from(one, other):
    """`max` over epochs of resting orders must mean the latest one."""
    assert (ids.epoch_of(one) < ids.epoch_of(other)) is (one < other)
    assert len(ids.epoch_of(one)) == ids.EPOCH_LENGTH


def test_a_time_the_venue_did_not_give_still_makes_an_epoch():
    assert ids.epoch_of(0) == ids.epoch_of(-5) == "0" * 8
