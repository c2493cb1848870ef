"""Snapshots of books: what is invested, and why nothing opens."""

from dataclasses import replace
from decimal import Decimal

from engine.core.books import GridBooks
from engine.model.events import BlocksChanged
from engine.model.grid import Trailing
from engine.model.risk import Block, BreakerKind
from engine.model.snapshot import BlockView
from engine.runtime.views import BooksViewer, Seen
from tests.builders import a_market, a_spec, an_opening

FREE = a_market(maker_fee_rate=Decimal(0), taker_fee_rate=Decimal(0))
SEEN = Seen(mark=Decimal(150), mark_at_ms=0)


def test_what_is_set_aside_for_trailing_is_not_invested() -> None:
    spec = a_spec()
    trailing = GridBooks(an_opening(replace(spec, trailing=Trailing(down_to=Decimal(50))), FREE))
    plain = GridBooks(an_opening(spec, FREE))
    assert trailing.funds.quote > plain.funds.quote
    found = BooksViewer(trailing).snapshot(trailing, SEEN).invested
    assert found == BooksViewer(plain).snapshot(plain, SEEN).invested == plain.funds.quote


def test_a_block_names_its_kind_once_and_in_words() -> None:
    books = GridBooks(an_opening())
    reasons = {BreakerKind.STOP_LOSS: "stop loss: the price is 9", BreakerKind.PANIC_KEY: "pressed by ann"}
    blocks = tuple(
        Block(kind=kind, reason=reason, since_ms=0, until_ms=None, needs_person=True)
        for kind, reason in reasons.items()
    )
    books.apply(BlocksChanged(blocks=blocks, reason="both", by="risk"), 0)
    shown = BooksViewer(books).snapshot(books, SEEN).blocks
    assert shown[-2:] == (
        BlockView(what="entries", reason="stop loss: the price is 9"),
        BlockView(what="entries", reason="panic key: pressed by ann"),
    )
