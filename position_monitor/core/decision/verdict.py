"""The verdict: the planner's own predicate applied to what was read back (DESIGN 1).

A verdict never says more than the read it came from, and never anything about a moment after that read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from position_monitor.core.book.diff import BookDiff
from position_monitor.core.decision.case import Case
from position_monitor.core.exits.view import AskedExits
from position_monitor.core.model.book_cases import StopCase, TargetCase
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.money import plain, tighter
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import EvidenceSettings, ProtectionSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.cover import Cover, counts_as_target
from position_monitor.core.observation.needs import Fact
from position_monitor.core.observation.reads import SymbolObservation


class Judgement(NamedTuple):
    """The verdict of one position with everything it rests on."""

    position: Position
    verdict: Verdict
    reason: str
    cover: Cover
    book: DesiredBook | None
    diff: BookDiff | None
    settings: ProtectionSettings | None
    """None when even the settings could not be found; then the position is held."""
    exposed: bool = False
    """It was read, it is not fully covered, and no stop is just then closing it."""
    closing: bool = False
    """There is a reason to close it at market."""
    readable: bool = False
    """Whether the position and both order lists were read: if not, nothing is said of it but that it is exposed."""
    foreign_targets: tuple[LiveOrder, ...] = ()
    """The user's own take-profits that count toward the ladder."""
    asked: AskedExits | None = None
    """What its policy was asked for the book; None without a book."""

    @property
    def key(self) -> PositionKey:
        """The position it is about."""
        return self.position.key

    @property
    def stop_is_behind(self) -> bool:
        """Whether its stop waits behind the level that the policy wants by now; False where nobody can say."""
        return self.readable and self.book is not None and bool(self.book.stop_behind)

    @property
    def failed_policy(self) -> str:
        """Why its exit policy could not answer, so that the floor protects it; empty nearly always."""
        return self.book.failed if self.book is not None else ""

    def lapsed(self, reason: str) -> Judgement:
        """What is left of it when a later look could not read the position: its figures, and no claim."""
        return self._replace(verdict=Verdict.UNKNOWN, reason=reason, exposed=False, closing=False, readable=False)


def judge(case: Case, observation: SymbolObservation, evidence_settings: EvidenceSettings, now_ms: int) -> Judgement:
    """The verdict of one position from one observation."""
    covered, belief = case.cover.full, case.belief
    targets = _foreign_targets(case.position, case.live.foreign, case.settings)
    verdict, reason = _verdict(case, observation, targets)
    if case.unmanaged:
        verdict, reason = Verdict.UNMANAGED, "listed in symbols.unmanaged by the operator"
    elif verdict is not Verdict.UNKNOWN and case.closing:
        verdict, reason = Verdict.CLOSING, case.closing
    firing = not covered and belief is not None and belief.firing(now_ms, evidence_settings.triggering_grace_ms)
    if firing and verdict in (Verdict.NAKED, Verdict.UNDERCOVERED):
        verdict, reason = Verdict.CLOSING, "its stop is being triggered"
    read = observation.unread.isdisjoint((Fact.POSITION, Fact.CONDITIONAL_ORDERS))
    exposed = read and not covered and not firing and not case.unmanaged
    return Judgement(
        position=case.position,
        verdict=verdict,
        reason=reason,
        cover=case.cover,
        book=case.book,
        diff=case.diff,
        settings=case.settings,
        exposed=exposed,
        closing=bool(case.to_close),
        readable=observation.readable,
        foreign_targets=targets,
        asked=case.asked,
    )


def _verdict(case: Case, observation: SymbolObservation, targets: Sequence[LiveOrder]) -> tuple[Verdict, str]:
    """The verdict by what was read, and why. The order of the questions is the order of what matters more.

    What was not read is UNKNOWN before anything is said about cover, and cover comes before take-profits.
    """
    position, cover, book, diff = case.position, case.cover, case.book, case.diff
    if not observation.readable:
        return Verdict.UNKNOWN, observation.unreadable or "it was not read completely"
    if observation.instrument is None:
        return Verdict.UNKNOWN, "HOLD: the venue lists no trading rules for this symbol"
    if not cover.full:
        refused = case.belief.stop_refused if case.belief is not None else ""
        why = f"; the last one that was sent does not rest: {refused}" if refused else ""
        why += f"; {book.obstacle}" if book is not None and book.obstacle else ""
        if book is not None and case.belief is not None and case.belief.crossed.count:
            why += "".join(f"; {note}" for note in book.notes)
        if book is not None and book.stop_case is StopCase.AWAITS_FOREIGN:
            grace_s = case.settings.foreign_stop_grace_ms / 1000
            why += f"; another program's own stop is waited for, at most {grace_s:g} s (foreign_stop_grace_s)"
        if cover.quantity > 0:
            return Verdict.UNDERCOVERED, f"stops cover {plain(cover.quantity)} of {plain(position.quantity)}{why}"
        return Verdict.NAKED, f"no stop counts as cover{why}"
    if position.entry_price <= 0:
        return Verdict.UNKNOWN, "HOLD: entry price was 0; a stop anchored to the mark rests, take-profits are held"
    if book is None or diff is None:
        return Verdict.STOP_ONLY, "no desired book"
    if diff.missing:
        missing = [order for order in diff.missing if order.role is Role.TAKE_PROFIT]
        if missing:
            return Verdict.STOP_ONLY, f"{len(missing)} take-profit(s) of the ladder do not rest"
    # The ladder comes last in a book.
    without = not book.orders or book.orders[-1].role is not Role.TAKE_PROFIT
    needs_none = not case.settings.take_profits or _runs_safely(position, cover, book)
    if without and not targets and not needs_none:
        return Verdict.STOP_ONLY, "; ".join(book.notes) or "no take-profit is wanted"
    return Verdict.PROTECTED, "; ".join(book.notes)


def _runs_safely(position: Position, cover: Cover, book: DesiredBook) -> bool:
    """Whether what is left is a runner, all of it stopped at the entry or better: then no take-profit is missing."""
    whole = cover.whole_price
    runs = book.target_case is TargetCase.RUNNER and whole is not None
    return runs and not tighter(position.entry_price, whole or position.entry_price, position.side)


def _foreign_targets(
    position: Position, orders: Iterable[LiveOrder], settings: ProtectionSettings
) -> tuple[LiveOrder, ...]:
    """The user's own take-profits that count toward the ladder."""
    if not settings.respect_foreign_orders:
        return ()
    return tuple(o for o in orders if o.tag is None and counts_as_target(o, position.key, hedged=position.hedged))
