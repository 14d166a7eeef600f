"""What was wanted before is handed in: the answer must never differ from what is worked out anew."""

from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.book.desired_book import compared_book
from position_monitor.core.model.orders import OrderStatus
from position_monitor.core.observation.live_book import SymbolOrders

from .build import (
    EPOCH,
    NOW_MS,
    OLD_EPOCH,
    SIDES,
    D,
    advise,
    at,
    backstop,
    book_inputs,
    instrument,
    known,
    ladder,
    live,
    position,
    settings,
    target,
    working,
)

prices = st.decimals("-5", "7", places=2) | st.sampled_from([D(p) for p in ("-1.5", "1.49", "1.5", "2.5", "4", "4.01")])
triggering = OrderStatus.TRIGGERING


@st.composite
def resting(draw, side, hedged):
    """What may rest beside one position: any part of a full book, something foreign, something in flight."""
    held = position(side, hedged=hedged)
    possible = [
        backstop(held, at(side, "-1.5")),
        backstop(held, at(side, "-1.5"), status=triggering, order_id="stuck"),
        backstop(held, at(side, "-2"), epoch=OLD_EPOCH, order_id="old"),
        working(held, at(side, "-0.5")),
        *ladder(held),
        target(held, 6, at(side, "2.5"), "0.6"),
        live(held, at(side, "-3"), client_id="web_stop"),
        live(held, at(side, "-2.5"), "1", client_id="web_half"),
        live(held, at(side, "-1"), status=triggering, client_id="web_firing"),
    ]
    return [order for order in possible if draw(st.booleans())]


looks = st.fixed_dictionaries({
    "mark": prices,
    "size": st.sampled_from(["1", "0.7", "0.4", "1.3"]),
    "liquidation": st.sampled_from([None, "-0.5", "-4", "-9"]),
    "opinion": st.sampled_from([None, ("0.5", "1", "3"), ("1", "0.6", None)]),
    "later_ms": st.sampled_from([0, 20_000, 70_000]),
    "rungs": st.sampled_from([(4, 4), (2, 3), (0, 0), (4, 2)]),
    "known": st.sampled_from([
        {},
        {"done_rungs": frozenset({0})},
        {"close_all_blocked": True},
        {"firing_since_ms": NOW_MS},
        {"epoch": OLD_EPOCH},
        {"present_reads": 9, "listed_reads": {"a": 2}},
    ]),
    "settings": st.sampled_from([
        {},
        {"stop_loss_pct": "3"},
        {"respect_foreign_orders": False},
        {"rebase_on_add": True},
    ]),
    "venue": st.sampled_from([{}, {"tick": "0.5"}, {"min_notional": "50"}, {"market_max_quantity": "0.5"}]),
})  # fmt: skip


@given(st.data(), st.sampled_from(SIDES), st.booleans(), st.lists(looks, min_size=2, max_size=8))
def test_what_is_kept_is_what_would_be_worked_out(data, side, hedged, taken):
    rows = data.draw(resting(side, hedged))
    wanted = None
    for look in taken:
        liquidation, opinion = look["liquidation"], look["opinion"]
        held = position(
            side,
            look["size"],
            mark=at(side, look["mark"]),
            hedged=hedged,
            liquidation=None if liquidation is None else at(side, liquidation),
        )
        most, again = look["rungs"]
        more = {
            "known_as": known(**{"epoch": EPOCH, **look["known"]}),
            "venue": instrument(**look["venue"]),
            "advice": None if opinion is None else advise(opinion[0], stop=opinion[1], take=opinion[2]),
            "rungs_max": most,
            "again": again,
            "now_ms": NOW_MS + look["later_ms"],
        }
        chosen = settings(**look["settings"])
        inputs = book_inputs(held, SymbolOrders(rows), chosen, **more)
        fresh = compared_book(inputs)
        book, wanted, asked = compared_book(inputs, wanted)
        assert (book, wanted, asked) == fresh
        again = compared_book(inputs, wanted)
        assert again == fresh and again[1] is wanted


def test_orders_are_kept_while_only_the_mark_moves_and_it_decides_nothing():
    rows = SymbolOrders((backstop(position(), at(SIDES[0], "-1.5")), *ladder(position())))
    book, wanted, _ = compared_book(book_inputs(position(mark="100.1"), rows))
    assert compared_book(book_inputs(position(mark="100.2"), rows), wanted)[0].orders is book.orders
    larger = book_inputs(position(mark="100.2", quantity="2"), rows)
    assert compared_book(larger, wanted)[0].orders is not book.orders
