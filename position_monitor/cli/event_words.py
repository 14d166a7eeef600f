"""An event of `P:events` as a sentence: who did what. A type that is not in the table is shown with all its fields.

The fields are taken as they stand in the event, because another version of the daemon may have written it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from position_monitor.cli.moments import moment
from position_monitor.cli.status_table import age, number
from position_monitor.core.model.verdicts import Verdict
from position_monitor.edge.redis.event_stream import StreamedEvent

DAEMON, VENUE, TRADER, OTHER, OPERATOR = "daemon", "exchange", "trader", "other hand", "operator"
"""Who changed something: this program, the exchange by itself, whoever trades the position, an order that is not ours
or a hand that removed one of ours, and whoever asked the daemon for something."""
ALARM, LOOK, PLAIN = "✖", "!", " "
STYLES: Final[Mapping[str, str]] = {ALARM: "bold red", LOOK: "yellow", PLAIN: ""}


class Telling(NamedTuple):
    """One event for people."""

    mark: str
    """`ALARM`, `LOOK` or `PLAIN`."""
    actor: str
    text: str
    order_id: str = ""
    """Our id of the order it is about, for whoever looks it up at the exchange; shown where there is room for it."""


class Fields:
    """The details of an event as text. What is absent or null is empty, never an error."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        self._details = details

    def __getitem__(self, name: str) -> str:
        value = self._details.get(name)
        if value is None or isinstance(value, (list, dict)):
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    def figure(self, name: str) -> str:
        """A number with its thousands separated, or the text as it is."""
        try:
            return number(Decimal(self[name])) if self[name] else ""
        except InvalidOperation:
            return self[name]

    def ms(self, name: str) -> int:
        """A whole number, 0 where there is none."""
        return int(self[name]) if self[name].isdigit() else 0

    def true(self, name: str) -> bool:
        """Whether it is said to be so."""
        return self._details.get(name) is True


def telling(event: StreamedEvent) -> Telling:
    """The event as a sentence, without its time and its position."""
    words = _WORDS.get(event.type)
    if words is None:
        return Telling(PLAIN, DAEMON, generic(event))
    sentence = words(Fields(event.details))
    return sentence._replace(text=_without_gaps(sentence.text))


def _without_gaps(text: str) -> str:
    """The sentence without what an absent field leaves behind: blanks in a row, a comma or a colon before nothing."""
    words = " ".join(text.split())
    return words.replace(" : ", ": ").replace(": , ", ": ").replace(" ,", ",").strip(" :,")


def generic(event: StreamedEvent) -> str:
    """The type as words and every field as it stands: for what this version does not know."""
    shown = [f"{name} {value}" for name, value in event.details.items() if value not in (None, "")]
    return _spaced(event.type) + (f": {', '.join(shown)}" if shown else "")


def _spaced(name: str) -> str:
    """`StopPlaced` as `stop placed`."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()


def _because(fields: Fields, name: str = "reason", before: str = ": ") -> str:
    return f"{before}{fields[name]}" if fields[name] else ""


def _size(fields: Fields) -> str:
    entry = fields.figure("entry_price")
    return fields.figure("quantity") + (f" @ {entry}" if entry else "")


def _order(fields: Fields) -> str:
    """Size and price of an order."""
    size, price = fields.figure("quantity"), fields.figure("trigger_price")
    return " @ ".join(part for part in (size, price) if part)


def _placed(what: str) -> Callable[[Fields], Telling]:
    return lambda f: Telling(PLAIN, DAEMON, f"{what} placed {_order(f)}{_because(f)}", f["client_id"])


def _retired(what: str) -> Callable[[Fields], Telling]:
    return lambda f: Telling(PLAIN, DAEMON, f"{what} removed{_because(f)}", f["client_id"])


def _filled(what: str, mark: str) -> Callable[[Fields], Telling]:
    def words(fields: Fields) -> Telling:
        rungs = f" {fields['rungs']}" if fields["rungs"] else ""
        price = fields.figure("price")
        at = f" @ {price}" if price else ", price not told by the exchange"
        net = f", net {fields.figure('result_net')}" if fields["result_net"] else ""
        text = f"{what.format(rungs=rungs)} {fields.figure('quantity')}{at}{net}"
        return Telling(mark, VENUE, text, fields["client_id"])

    return words


def _vanished(fields: Fields) -> Telling:
    what = fields["role"].replace("_", " ") or "order"
    rungs = f" {fields['rungs']}" if fields["rungs"] else ""
    by_hand = fields["status"] in ("", "CANCELED")
    ended = "was cancelled, and not by the daemon" if fields["status"] == "CANCELED" else "is gone"
    if not by_hand:
        ended = f"was ended by the exchange ({fields['status'].lower()})"
    text = f"our {what}{rungs} {ended}{_because(fields)}"
    return Telling(LOOK, OTHER if by_hand else VENUE, text, fields["client_id"])


def _foreign(fields: Fields, ended: str) -> Telling:
    what = " ".join(part for part in (fields["kind"], _order(fields)) if part)
    order = f" (order {fields['order_id']})" if fields["order_id"] else ""
    return Telling(LOOK, OTHER, f"order that is not ours {ended}: {what}{order}")


def _verdict(fields: Fields) -> Telling:
    after = fields["to"]
    mark = ALARM if after in (Verdict.NAKED, Verdict.UNDERCOVERED) else LOOK if after == Verdict.UNKNOWN else PLAIN
    return Telling(mark, DAEMON, f"verdict {fields['from']} -> {after}{_because(fields)}")


def _appeared(fields: Fields) -> Telling:
    verdict = f", {fields['verdict']}" if fields["verdict"] else ""
    return Telling(PLAIN, TRADER, f"position appeared: {_size(fields)}{verdict}")


def _flat(fields: Fields) -> Telling:
    naked_ms = fields.ms("naked_ms")
    bare = f", it was without full cover for {naked_ms / 1000:.1f} s in all" if naked_ms else ""
    return Telling(
        PLAIN, TRADER, f"position {'turned to the other side' if fields.true('flipped') else 'is flat'}{bare}"
    )


def _sized(word: str) -> Callable[[Fields], Telling]:
    return lambda f: Telling(PLAIN, TRADER, f"position {word} from {f.figure('before')} to {_size(f)}")


def _write(text: str) -> Callable[[Fields], Telling]:
    def words(fields: Fields) -> Telling:
        role = fields["role"].replace("_", " ")
        what = " ".join(part for part in (role, _order(fields)) if part) or fields["client_id"]
        code = f" ({fields['code']})" if fields["code"] else ""
        return Telling(LOOK, VENUE, f"{text}: {what}{_because(fields, 'text')}{code}")

    return words


def _closed(fields: Fields) -> Telling:
    return Telling(
        ALARM, DAEMON, f"closed at market {fields.figure('quantity')}{_because(fields)}", fields["client_id"]
    )


def _mode(fields: Fields) -> Telling:
    if fields["subject"] == "exits":
        return Telling(PLAIN, DAEMON, f"exits: {fields['after']}" + _because(fields, "cause", " by "))
    mark = PLAIN if fields["after"] == "live" else LOOK
    return Telling(mark, DAEMON, f"rights {fields['before']} -> {fields['after']}{_because(fields)}")


def _record(fields: Fields) -> Telling:
    net = f"net {fields.figure('result_net') or 'not known'} {fields['asset']}".strip()
    in_r = f" ({fields.figure('net_r')} R)" if fields["net_r"] else ""
    size = " @ ".join(part for part in (fields.figure("quantity"), fields.figure("price")) if part)
    return Telling(PLAIN, VENUE, f"closed by {fields['reason'] or 'a fill'}: {size}, {net}{in_r}")


def _control(word: str, mark: str) -> Callable[[Fields], Telling]:
    def words(fields: Fields) -> Telling:
        until = f" until {moment(fields.ms('until_ms'))}" if fields["until_ms"] else ""
        by = f" by {fields['by']}" if fields["by"] else ""
        text = f"{fields['request'] or 'request'} {word}{until}{by}{_because(fields)}"
        return Telling(mark, OPERATOR, text + (f" ({fields['text']})" if fields["text"] else ""))

    return words


def _said(text: str, actor: str = DAEMON, mark: str = PLAIN) -> Callable[[Fields], Telling]:
    """A sentence with fields in braces; those that are absent leave nothing behind."""

    def words(fields: Fields) -> Telling:
        return Telling(mark, actor, text.format_map(fields))

    return words


def _started(fields: Fields) -> Telling:
    shown = [f"{name.replace('_', ' ')} {fields[name]}" for name in _START if fields[name]]
    return Telling(PLAIN, DAEMON, "daemon started" + (f": {', '.join(shown)}" if shown else ""))


def _reloaded(fields: Fields) -> Telling:
    waits = f"; only after a restart: {fields['after_restart']}" if fields["after_restart"] else ""
    return Telling(PLAIN, DAEMON, f"configuration reloaded, hash {fields['config_hash']}{waits}")


def _after(fields: Fields) -> str:
    """How long something was away."""
    return f" after {age(fields.ms('away_ms'))}" if fields["away_ms"] else ""


_START: Final = ("version", "environment", "mode", "redis", "config_hash")

_WORDS: Final[Mapping[str, Callable[[Fields], Telling]]] = {
    "Started": _started,
    "Stopped": lambda f: Telling(LOOK, DAEMON, f["reason"] or "the daemon was stopped"),
    "ConfigReloaded": _reloaded,
    "ConfigRefused": _said("configuration refused, the old one stays: {problem}", mark=LOOK),
    "ConfigConflict": _said("configuration conflict: {text}", mark=LOOK),
    "PositionAppeared": _appeared,
    "PositionGrew": _sized("grew"),
    "PositionShrank": _sized("shrank"),
    "PositionFlipped": lambda f: Telling(PLAIN, TRADER, f"position turned, it was {f['from']}: {_size(f)}"),
    "PositionFlat": _flat,
    "TakeProfitPlaced": _placed("take-profit"),
    "TakeProfitFilled": _filled("take-profit{rungs} filled", PLAIN),
    "TakeProfitRetired": _retired("take-profit"),
    "StopPlaced": _placed("stop"),
    "StopReadBack": lambda f: Telling(PLAIN, DAEMON, "stop read back from the exchange", f["client_id"]),
    "StopFired": _filled("stop fired", LOOK),
    "StopRetired": _retired("stop"),
    "OrderVanished": _vanished,
    "ForeignOrderSeen": lambda f: _foreign(f, "rests"),
    "ForeignOrderGone": lambda f: _foreign(f, "is gone"),
    "WriteRefused": _write("refused"),
    "WriteAmbiguous": _write("sent, outcome unknown"),
    "VerdictChanged": _verdict,
    "EmergencyClose": _closed,
    "ModeChanged": _mode,
    "LeaseTaken": _said("lease taken, epoch {epoch}"),
    "LeaseLost": _said("lease lost, mode {mode}: {lease}", mark=LOOK),
    "LeaseGivenUp": _said("lease given up: {reason}", mark=LOOK),
    "SecondWriterSeen": _said("a second daemon writes orders: {kind} {client_id}", OTHER, ALARM),
    "BreakerChanged": _said("circuit breaker active: {active}", OTHER),
    "BanBegan": lambda f: Telling(ALARM, VENUE, f"the exchange bans this address until {moment(f.ms('until_ms'))}"),
    "BanEnded": _said("the ban is over", VENUE),
    "RedisLost": _said("Redis lost: {reason}", mark=LOOK),
    "RedisBack": lambda f: Telling(PLAIN, DAEMON, f"Redis takes the state again{_after(f)}"),
    "StreamLost": _said("{stream} stream lost: {reason}", VENUE, LOOK),
    "StreamBack": lambda f: Telling(PLAIN, VENUE, f"{f['stream']} stream is back{_after(f)}"),
    "ForeignWeightSeen": _said("another program used {weight_1m} request weight in a minute", OTHER, LOOK),
    "MarginCalled": _said("the exchange calls for margin, liquidation is near", VENUE, ALARM),
    "ControlAccepted": _control("accepted", PLAIN),
    "ControlRefused": _control("refused", LOOK),
    "RecordFinal": _record,
}
