"""When batches of a leader's fills leave."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from signals_app.domain.leaders.coalescing import Coalescer
from tests.signals_app.leaders.fills import BTC, ETH, fill

WINDOW = 0.1


def add(coalescer, trade_id, now, *, key=BTC, order="o1", completes=False):
    coalescer.add(
        key,
        fill(trade_id, 1, venue_order_id=order),
        window_seconds=WINDOW,
        completes_order=completes,
        now=now,
    )


def ids(due):
    return [[each.trade_id for each in fills] for _, fills in due]


def test_twenty_pieces_within_the_window_are_one_batch():
    coalescer = Coalescer()
    for number in range(20):
        add(coalescer, number, now=number * 0.004)
        assert coalescer.take_due(number * 0.004) == []
    assert coalescer.next_due() == WINDOW
    assert ids(coalescer.take_due(WINDOW)) == [[str(number) for number in range(20)]]
    assert coalescer.next_due() == inf


def test_nothing_waits_longer_than_the_window_from_the_first_fill():
    coalescer = Coalescer()
    add(coalescer, 1, now=0)
    add(coalescer, 2, now=0.09)
    assert ids(coalescer.take_due(0.1)) == [["1", "2"]]
    add(coalescer, 3, now=0.101)
    assert coalescer.take_due(0.15) == []
    assert ids(coalescer.take_due(0.201)) == [["3"]]


def test_a_complete_order_does_not_wait():
    coalescer = Coalescer()
    add(coalescer, 1, now=0)
    add(coalescer, 2, now=0.01, completes=True)
    assert ids(coalescer.take_due(0.01)) == [["1", "2"]]


def test_another_order_that_is_not_complete_holds_the_batch():
    coalescer = Coalescer()
    add(coalescer, 1, now=0, order="half")
    add(coalescer, 2, now=0.01, order="whole", completes=True)
    assert coalescer.take_due(0.01) == []
    assert ids(coalescer.take_due(0.1)) == [["1", "2"]]


def test_a_burst_of_small_orders_is_bundled():
    coalescer = Coalescer()
    left = []
    for number in range(30):
        now = number * 0.01
        add(coalescer, number, now=now, order=f"o{number}", completes=True)
        left += coalescer.take_due(now)
    left += coalescer.take_due(1)
    assert sum(len(fills) for _, fills in left) == 30
    assert len(left) <= 5


def test_symbols_do_not_wait_for_each_other():
    coalescer = Coalescer()
    add(coalescer, 1, now=0)
    add(coalescer, 2, now=0.05, key=ETH)
    assert ids(coalescer.take_due(0.1)) == [["1"]]
    assert ids(coalescer.take_all(0.1)) == [["2"]]


@given(
    st.lists(st.tuples(st.floats(0, 0.05), st.sampled_from((BTC, ETH)), st.booleans()), max_size=60)
)
def test_every_fill_leaves_once_and_in_time(arrivals):
    coalescer, now, left = Coalescer(), 0.0, []
    arrived = {}
    for number, (gap, key, completes) in enumerate(arrivals):
        until = now + gap
        while coalescer.next_due() <= until:
            now = max(now, coalescer.next_due())
            left += [(now, fills) for _, fills in coalescer.take_due(now)]
        now = until
        add(coalescer, number, now=now, key=key, order=f"o{number}", completes=completes)
        arrived[str(number)] = now
    left += [(now, fills) for _, fills in coalescer.take_all(now)]
    assert sorted(each.trade_id for _, fills in left for each in fills) == sorted(arrived)
    for at, fills in left:
        assert at - arrived[fills[0].trade_id] <= WINDOW + 1e-9
