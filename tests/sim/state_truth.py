"""Truth of the state (invariant 17): every figure that is published against what its publisher had been told.

What a daemon was answered about positions is kept as it reached it. A published size, entry or mark must be one of
these; each stop that is named is judged by what the journal says about its order; totals are added up anew from the
published positions. A field of the contract that is not published yet is not judged. No planner code in here.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from pydantic_core import from_json

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.conduct import Answer
from tests.sim.truth import PREFIX, Key, side_of

READS_KEPT = 60
LOOK_MS = 6_000
"""A check interval and some time: what was read before belongs to an earlier look than the one that is published."""
MARKS_MS = 30_000
"""A published mark may come from the stream: any mark of this last while is honest."""
SAFE = ("PROTECTED", "STOP_ONLY")
EXPOSED = ("NAKED", "UNDERCOVERED")
READ_WITHIN_MS = 30_000
"""After a good answer about all positions there is a time of a read within this: the longest cycle and a check more."""
HAIR = Decimal("0.01")
SILENCE_MS = 16_000
"""Nobody lives: after three check intervals (of 5 s) nothing claims to watch any more."""


class Row(NamedTuple):
    """One position in one answer."""

    size: Decimal
    entry: Decimal
    mark: Decimal


class Read(NamedTuple):
    """One answer about positions, as it reached the daemon."""

    at_ms: int
    """By the daemon's own clock."""
    symbol: str
    """The only symbol it speaks of; empty for all."""
    rows: Mapping[Key, Row]
    spoilt: frozenset[str]
    """Symbols with a row whose size is no number."""


class StateTruth:
    """Remembers what each daemon was told, and judges what it tells."""

    def __init__(
        self,
        marks: Callable[[str, int], Iterable[Decimal]],
        *,
        clocks_hold: bool = True,
        interval_s: float = 5.0,
        foggy: bool = False,
    ) -> None:
        """`marks(symbol, since_ms)` are the prices since then; `clocks_hold`: no daemon's clock is stepped;
        `interval_s`: the time between two checks; `foggy`: reads may fail, and no look be whole."""
        self._foggy = foggy
        self._dated: set[int] = set()
        """Daemons that published when they read last."""
        self._silence_ms = round(SILENCE_MS * interval_s / 5)
        self._marks = marks
        self._clocks_hold = clocks_hold
        self._reads: dict[int, deque[Read]] = defaultdict(lambda: deque(maxlen=READS_KEPT))
        self._marks_read: dict[tuple[int, Key], set[Decimal]] = defaultdict(set)
        """Every mark that a daemon ever read of a position: the last one stands in for as long as none can be read."""
        self._stops: dict[str, tuple[Key, Decimal, Decimal | None]] = {}
        """Client id of a stop -> position, trigger, quantity (None: close-all)."""
        self._targets: dict[str, tuple[Key, Decimal]] = {}
        """Client id of a conditional take-profit -> position, trigger."""

    # -- what happens

    def answer(self, answer: Answer, clock_ms: int) -> None:
        """A request of a daemon ended, at this time of its clock."""
        if answer.endpoint in (Endpoint.POSITIONS, Endpoint.POSITION_ROWS) and isinstance(answer.body, list):
            symbol = answer.params.get("symbol", "")
            rows = dict(_rows(answer.body))
            self._reads[answer.daemon].append(Read(clock_ms, symbol, rows, unreadable_sizes(answer.body)))
            for key, row in rows.items():
                self._marks_read[answer.daemon, key].add(row.mark)

    def entry(self, entry: Any) -> None:
        """One journal entry: the contents of each stop and take-profit that was ever accepted."""
        detail = entry.detail
        if entry.kind == "order_accepted" and detail.get("type") == "TAKE_PROFIT_MARKET":
            key = (entry.symbol, side_of(detail["position_side"], detail["side"]))
            self._targets[detail["client_id"]] = (key, Decimal(detail["trigger"]))
        if entry.kind == "order_accepted" and detail.get("type") == "STOP_MARKET":
            key = (entry.symbol, side_of(detail["position_side"], detail["side"]))
            size = None if detail["close_position"] else Decimal(detail["quantity"])
            self._stops[detail["client_id"]] = (key, Decimal(detail["trigger"]), size)

    # -- judging

    def told(self, daemon: int, published: Mapping[str, Any], at_ms: int) -> list[str]:
        """Something was published just now."""
        said = list(self._of_account(daemon, published))
        for member, fields in published["positions"].items():
            symbol, side = member.rsplit(":", 1)
            said += [f"INV-17: {member}: {what}" for what in self._of_position((symbol, side), fields, daemon, at_ms)]
        return said

    def lease_left(self, events: Iterable[str], given_up_ms: int) -> list[str]:
        """What is told by a daemon that gave its lease up then, by its own clock, and has not had it again since."""
        told = [from_json(text) for text in events] if self._clocks_hold else []
        lost = [event for event in told if event["type"] == "LeaseLost" and event["at_ms"] >= given_up_ms]
        return [f"INV-17: the lease is told as lost, and the daemon gave it up: {event}" for event in lost]

    def silent(self, status: Mapping[str, str], nobody_ms: int) -> list[str]:
        """No daemon lives since so many ms: the state must not go on claiming that one watches."""
        if nobody_ms <= self._silence_ms or status.get("risk_status", "UNKNOWN") == "UNKNOWN":
            return []
        return [f"INV-17: nobody watches since {nobody_ms} ms and the state says {status['risk_status']}"]

    def _of_account(self, daemon: int, published: Mapping[str, Any]) -> Iterator[str]:
        status, positions = published["status"], published["positions"]
        managed = [fields for fields in positions.values() if fields["verdict"] != "UNMANAGED"]
        unread = frozenset(from_json(status.get("unread", "[]")))
        nameless = unread - {member.rsplit(":", 1)[0] for member in positions}
        if int(status["positions"]) != len(managed) + len(nameless):
            told = f"{len(managed)} are told of and {len(nameless)} could not be read"
            yield f"INV-17: {status['positions']} positions are counted, {told}"
        protected = sum(fields["verdict"] in SAFE for fields in managed)
        if int(status["protected"]) != protected:
            yield f"INV-17: {status['protected']} are counted as protected, {protected} are"
        yield from _totals(status, managed, len(nameless))
        published_ms = int(status["published_at_ms"])
        yield from self._left_out(daemon, published_ms, positions)
        if self._clocks_hold and status.get("mode") != "stopped":
            named = unread.union(member.rsplit(":", 1)[0] for member in positions)
            yield from self._unread(daemon, published_ms, named, status["risk_status"])
            yield from self._age(daemon, published_ms, int(status.get("observed_at_ms", -1)))

    def _left_out(self, daemon: int, published_ms: int, positions: Mapping[str, Any]) -> Iterator[str]:
        """What every read of a symbol showed, for longer than a look takes, is told of, whatever else failed."""
        if not self._clocks_hold:
            return
        reads = self._reads[daemon]
        newest = next((read.rows for read in reversed(reads) if read.at_ms <= published_ms), ())
        for key in sorted(key for key in newest if f"{key[0]}:{key[1]}" not in positions):
            of_it = [read for read in reads if read.at_ms <= published_ms and read.symbol in ("", key[0])]
            earlier = [read for read in of_it if read.at_ms <= published_ms - LOOK_MS][-1:]
            since = [read for read in of_it if read.at_ms > published_ms - LOOK_MS]
            if earlier and since and all(key in read.rows for read in (*earlier, *since)):
                yield f"INV-17: {key[0]}:{key[1]} was read again and again and is missing from the state"

    def _unread(self, daemon: int, published_ms: int, named: frozenset[str], risk_status: str) -> Iterator[str]:
        """A symbol whose size no look could read, for longer than a look takes, is told of or named, and nothing is
        well."""
        if not any(read.spoilt for read in self._reads[daemon]):
            return
        looks = [read for read in self._reads[daemon] if not read.symbol and read.at_ms <= published_ms]
        earlier = [read.spoilt for read in looks if read.at_ms <= published_ms - LOOK_MS][-1:]
        since = [read.spoilt for read in looks if read.at_ms > published_ms - LOOK_MS]
        both = frozenset.intersection(*earlier, *since) if earlier and since else frozenset()
        for symbol in sorted(both - named):
            yield f"INV-17: {symbol} could not be read again and again and is missing from the state"
        if both and risk_status not in ("UNKNOWN", "CRITICAL"):
            yield f"INV-17: {', '.join(sorted(both))} could not be read, and the state is {risk_status}"

    def _age(self, daemon: int, published_ms: int, observed_ms: int) -> Iterator[str]:
        """The time of the last good read: there is one as soon as something was read, and none is made up.
        (-1: it is not published.)"""
        reads = self._reads[daemon]
        last_ms = max([read.at_ms for read in reads], default=published_ms)
        if not observed_ms and daemon in self._dated:
            yield "INV-17: it was never read, it says, and said before when it was"
        if observed_ms > 0:
            self._dated.add(daemon)
        if not observed_ms and not self._foggy:
            first_ms = next((read.at_ms for read in reads if not read.symbol), published_ms)
            if published_ms - first_ms >= READ_WITHIN_MS:
                yield f"INV-17: it was never read, it says, and positions were read {published_ms - first_ms} ms ago"
        if observed_ms > last_ms:
            yield f"INV-17: it was read at {observed_ms}, and the last answer about positions came at {last_ms}"

    def _of_position(self, key: Key, fields: Mapping[str, str], daemon: int, at_ms: int) -> Iterator[str]:
        reads, doc, observed_ms = self._reads[daemon], from_json(fields["doc"]), int(fields["observed_at_ms"])
        told = Row(_number(fields["quantity"]), _number(fields["entry_price"]), _number(fields["mark_price"]))
        read_together = told.mark and any(read.rows.get(key) == told for read in reversed(reads))
        if not read_together and (len(reads) < READS_KEPT or reads[0].at_ms <= observed_ms):
            rows = [read.rows[key] for read in reads if key in read.rows]
            # Where no mark can be read another price stands in: the last one that could, however old, or the entry.
            earlier = self._marks_read[daemon, key] if told.mark else set()
            stands_in = fields["verdict"] == "UNKNOWN" and (told.mark == told.entry or told.mark in earlier)
            since_ms = at_ms - self._age_ms(doc, observed_ms) - MARKS_MS
            yield from self._of_figures(key, told, rows, None if stands_in else since_ms)
        if self._clocks_hold and observed_ms > doc["published_at_ms"]:
            yield "it was observed after it was published"
        if fields["verdict"] != "UNKNOWN":
            yield from self._cover(key, fields, told.size, doc["conditions"])

    def _of_figures(self, key: Key, told: Row, rows: Sequence[Row], since_ms: int | None) -> Iterator[str]:
        """Size, entry and mark were read, if the position ever was; the mark may be any since then. Without a
        `since_ms` it need be none."""
        size, entry, mark = told
        if rows and not any(row.size == size for row in rows):
            yield f"quantity {size} was never read"
        if rows and not any(row.entry == entry for row in rows if row.size == size):
            yield f"entry {entry} was never read with quantity {size}"
        if (
            rows
            and since_ms is not None
            and all(row.mark != mark or not mark for row in rows)
            and mark not in self._marks(key[0], since_ms)
        ):
            yield f"mark {mark} was never read"

    def _age_ms(self, doc: Mapping[str, Any], observed_ms: int) -> int:
        """How old the look is that a position is told from: a streamed mark of that time is told with it. Where a clock
        is stepped the age is not known, and the mark must be a recent one or one that was read."""
        return max(0, int(doc["published_at_ms"]) - observed_ms) if self._clocks_hold else 0

    def _cover(
        self, key: Key, fields: Mapping[str, str], size: Decimal, conditions: Mapping[str, str]
    ) -> Iterator[str]:
        """The stops that are named, added up: the cover, its price, and the verdict that follows."""
        covered, best, way = Decimal(0), None, 1 if key[1] == "LONG" else -1
        named = from_json(fields["stop_client_ids"])
        for client_id in named:
            if client_id not in self._stops:
                continue
            position, trigger, quantity = self._stops[client_id]
            if position != key:
                yield f"its stop {client_id} is one of {position}"
            covered += size if quantity is None else quantity
            best = trigger if best is None or way * (trigger - best) > 0 else best
        covered, pct, quantity = min(covered, size), _number(fields["cover_pct"]), _number(fields["stop_quantity"])
        if best is not None and _number(fields["stop_price"]) != best:
            yield f"stop price {fields['stop_price']}, and the tightest stop named is at {best}"
        if best is not None and quantity != covered:
            yield f"stop quantity {quantity}, and the stops named cover {covered}"
        if size and abs(pct - quantity / size * 100) > HAIR:
            yield f"cover {pct} %, and stops for {quantity} of {size}"
        yield from self._backstop(named, conditions.get("BackstopLive"), fields.get("backstop_price", ""))
        yield from self._take_profits(key, from_json(fields["take_profits"]), conditions.get("TakeProfitsPlaced"))
        verdict = fields["verdict"]
        if (verdict in SAFE and pct < 100) or (verdict in EXPOSED and pct >= 100):
            yield f"{verdict} with a cover of {pct} %"

    def _backstop(self, named: Iterable[str], told: str | None, price: str) -> Iterator[str]:
        """The backstop is a close-all stop of ours among the stops that are named, and its price is told with it."""
        if told == "Unknown":
            return
        if (told == "True") != bool(price):
            yield f"BackstopLive is {told}, and the price of the backstop is {price or 'not told'}"
        stops = [self._stops.get(name) for name in named if name.startswith(PREFIX)]
        if None not in stops:
            ours = {stop[1] for stop in stops if stop is not None and stop[2] is None}
            # An old list may show a second one, of an earlier life: then the price is that of either.
            if _number(price) not in ours if price else ours:
                yield f"its backstop is at {price or 'no price'}, and those of ours that are named are at {ours}"

    def _take_profits(self, key: Key, rungs: Sequence[Mapping[str, Any]], told: str | None) -> Iterator[str]:
        """The take-profits that are said to rest were accepted for this position, and the condition counts them."""
        if told != "Unknown" and (told == "True") != (bool(rungs) and all(rung["resting"] for rung in rungs)):
            yield f"TakeProfitsPlaced is {told}, and the take-profits are {rungs}"
        for rung in rungs:
            place = self._targets.get(rung["client_id"])
            if place not in (None, (key, _number(rung["trigger_price"]))):
                yield f"its take-profit {rung['client_id']} is one of {place}"
            if rung["client_id"].startswith(PREFIX) and place is None:
                yield f"its take-profit {rung['client_id']} was never accepted"


def _totals(status: Mapping[str, str], managed: Sequence[Mapping[str, str]], nameless: int) -> Iterator[str]:
    """Notionals and the share covered, added up from the positions; what the status does not name is not judged. The
    share of positions that nobody could read is taken by number."""
    total = safe = exposed = uncovered = unknown = Decimal(0)
    for fields in managed:
        notional = _number(fields["quantity"]) * _number(fields["mark_price"])
        share = _number(fields["cover_pct"]) / 100
        total += notional
        if fields["verdict"] == "UNKNOWN":
            unknown += notional
            continue
        safe += notional * share
        if fields["verdict"] in (*EXPOSED, "CLOSING"):
            exposed += notional
            uncovered += notional * (1 - share) if fields["verdict"] in EXPOSED else 0
    by_number = len(managed) / Decimal(len(managed) + nameless or 1)
    pct = by_number * 100 * (safe / total if total else 1)
    if (total or nameless) and not unknown and abs(_number(status["coverage_pct"]) - pct) > HAIR:
        yield f"INV-17: coverage {status['coverage_pct']} %, and the positions say {pct:.4f} %"
    bounds = [("exposed_notional", uncovered, exposed), ("unknown_notional", unknown, unknown)]
    if not unknown or "exposed_notional" in status:
        bounds.append(("unprotected_notional", uncovered, exposed))
    for name, least, most in bounds:
        if name in status and not least - HAIR <= _number(status[name]) <= most + HAIR:
            yield f"INV-17: {name} {status[name]}, and the positions say {least:.4f} to {most:.4f}"


def _rows(body: Iterable[Any]) -> Iterator[tuple[Key, Row]]:
    for row in body:
        try:
            amount, side = Decimal(str(row["positionAmt"])), row["positionSide"]
            if not amount or not amount.is_finite():
                continue
            entry, mark = _price(row.get("entryPrice")), _price(row.get("markPrice"))
            if entry > 0 or mark > 0:
                side = side if side != "BOTH" else ("LONG" if amount > 0 else "SHORT")
                yield (row["symbol"], side), Row(abs(amount), entry, mark)
        except (KeyError, TypeError, AttributeError, InvalidOperation):
            continue


def _price(value: object) -> Decimal:
    """A price of a row; 0 where it cannot be read: the size and the other price of the row count all the same."""
    try:
        price = Decimal(str(value or 0))
    except InvalidOperation:
        return Decimal(0)
    return price if price.is_finite() and price > 0 else Decimal(0)


def unreadable_sizes(body: object) -> frozenset[str]:
    """Symbols with a row whose size is there and is no number."""
    return frozenset(
        str(row["symbol"])
        for row in (body if isinstance(body, list) else ())
        if isinstance(row, dict) and "symbol" in row and "positionAmt" in row and not _is_finite(row["positionAmt"])
    )


def _is_finite(value: object) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _number(text: str | None) -> Decimal:
    return Decimal(text or 0)
