"""Look-ups of orders, fills and algo orders, with the venue's windows and paging."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .amounts import given
from .types import OkxError, Params, Row

if TYPE_CHECKING:
    from .accounts import Account
    from .algo_order import Algo
    from .core import Core
    from .orders import Order

HOUR = 3_600_000
DAY = 24 * HOUR
UNFILLED_CANCEL_WINDOW = 2 * HOUR
HISTORY_WINDOW = 7 * DAY
ARCHIVE_WINDOW = 90 * DAY
FILLS_WINDOW = 3 * DAY


def integer(params: Params, key: str, default: int) -> int:
    raw = given(params, key)
    if not raw:
        return default
    if not raw.lstrip("-").isdigit():
        raise OkxError("51000", f"Parameter {key} error", 400)
    return int(raw)


def limit_of(params: Params, most: int = 100) -> int:
    limit = integer(params, "limit", most)
    if limit < 1:
        raise OkxError("51000", "Parameter limit error", 400)
    return min(limit, most)


def page(items: list[Any], key: Callable[[Any], int], params: Params) -> Iterator[Any]:
    """Newest first, from behind `after` down to before `before` (both ids, both exclusive).
    The list is ordered by its ids."""
    after = integer(params, "after", 0)
    before = integer(params, "before", 0)
    stop = bisect.bisect_left(items, after, key=key) if after else len(items)
    start = bisect.bisect_right(items, before, key=key) if before else 0
    for index in range(stop - 1, start - 1, -1):
        yield items[index]


def first(rows: Iterable[Row], limit: int) -> list[Row]:
    out = []
    for row in rows:
        out.append(row)
        if len(out) == limit:
            break
    return out


def _order_filter(params: Params) -> Callable[[Order], bool]:
    wanted = {
        "instType": given(params, "instType"), "instId": given(params, "instId"),
        "family": given(params, "instFamily") or given(params, "uly"),
        "state": given(params, "state"), "category": given(params, "category"),
    }  # fmt: skip
    types = given(params, "ordType")
    kinds = set(types.split(",")) if types else None

    def matches(order: Order) -> bool:
        inst = order.inst
        return (
            (not wanted["instType"] or inst.inst_type == wanted["instType"])
            and (not wanted["instId"] or inst.inst_id == wanted["instId"])
            and (not wanted["family"] or inst.family == wanted["family"])
            and (not wanted["state"] or order.state == wanted["state"])
            and (not wanted["category"] or order.category == wanted["category"])
            and (kinds is None or order.ord_type in kinds)
        )

    return matches


def _findable(order: Order, now: int) -> bool:
    if order.hidden_until > now:
        return False
    if order.is_live:
        return True
    age = now - order.u_time
    if not order.filled_lots:
        return age <= UNFILLED_CANCEL_WINDOW
    return age <= ARCHIVE_WINDOW


def get_order(core: Core, acc: Account, params: Params) -> list[Row]:
    ord_id, cl_ord_id = given(params, "ordId"), given(params, "clOrdId")
    if not given(params, "instId"):
        raise OkxError("50014", "Parameter instId can not be empty.", 400)
    if not ord_id and not cl_ord_id:
        raise OkxError("51000", "Either parameter ordId or clOrdId is required", 400)
    market = core.need_market(params)
    if ord_id:
        order = acc.orders.get(int(ord_id)) if ord_id.isdigit() else None
    else:
        order = acc.by_cl_ord_id.get(cl_ord_id)
    if order is None or order.inst is not market.inst or not _findable(order, core.now()):
        raise OkxError("51603", "Order does not exist")
    return [order.row()]


def orders_pending(core: Core, acc: Account, params: Params) -> list[Row]:
    core.refuse_delisted(params)
    matches = _order_filter(params)
    now = core.now()
    live = sorted(
        (o for by_id in acc.live.values() for o in by_id.values()), key=lambda o: o.ord_id
    )
    rows = (
        o.row() for o in page(live, lambda o: o.ord_id, params)
        if matches(o) and o.hidden_until <= now
    )  # fmt: skip
    return first(rows, limit_of(params))


def orders_history(core: Core, acc: Account, params: Params, *, archive: bool = False) -> list[Row]:
    if not given(params, "instType"):
        raise OkxError("50014", "Parameter instType can not be empty.", 400)
    core.refuse_delisted(params)
    matches = _order_filter(params)
    now = core.now()
    begin, end = integer(params, "begin", 0), integer(params, "end", 0)

    def in_window(order: Order) -> bool:
        if order.is_live or order.hidden_until > now:
            return False
        age = now - order.u_time
        if not order.filled_lots and (archive or age > UNFILLED_CANCEL_WINDOW):
            return False
        if age > (ARCHIVE_WINDOW if archive else HISTORY_WINDOW):
            return False
        return (not begin or order.c_time >= begin) and (not end or order.c_time <= end)

    rows = (
        o.row() for o in page(acc.order_list, lambda o: o.ord_id, params)
        if in_window(o) and matches(o)
    )  # fmt: skip
    return first(rows, limit_of(params))


def fills(core: Core, acc: Account, params: Params, *, window: int = FILLS_WINDOW) -> list[Row]:
    if window != FILLS_WINDOW and not given(params, "instType"):
        raise OkxError("50014", "Parameter instType can not be empty.", 400)
    core.refuse_delisted(params)
    now = core.now()
    oldest = max(integer(params, "begin", 0), now - window)
    newest = integer(params, "end", 0) or now + DAY
    inst_type, inst_id = given(params, "instType"), given(params, "instId")
    ord_id, sub_type = given(params, "ordId"), given(params, "subType")
    family = given(params, "instFamily") or given(params, "uly")

    def rows() -> Iterator[Row]:
        for fill in page(acc.fill_list, lambda f: f.bill_id, params):
            if fill.ts < oldest:
                return
            inst = fill.inst
            if (
                fill.ts <= newest
                and fill.order.hidden_until <= now
                and (not inst_id or inst.inst_id == inst_id)
                and (not inst_type or inst.inst_type == inst_type)
                and (not ord_id or str(fill.order.ord_id) == ord_id)
                and (not sub_type or fill.sub_type == sub_type)
                and (not family or inst.family == family)
            ):
                yield fill.row()

    return first(rows(), limit_of(params))


def _algo_filter(params: Params) -> Callable[[Algo], bool]:
    types = given(params, "ordType")
    kinds = set(types.split(",")) if types else None
    inst_type, inst_id = given(params, "instType"), given(params, "instId")
    algo_id = given(params, "algoId")
    cl_ord_id = given(params, "algoClOrdId")

    def matches(algo: Algo) -> bool:
        return (
            (kinds is None or algo.ord_type in kinds)
            and (not inst_type or algo.inst.inst_type == inst_type)
            and (not inst_id or algo.inst.inst_id == inst_id)
            and (not algo_id or str(algo.algo_id) == algo_id)
            and (not cl_ord_id or algo.cl_ord_id == cl_ord_id)
        )

    return matches


def algos_pending(acc: Account, params: Params) -> list[Row]:
    if not given(params, "ordType"):
        raise OkxError("50014", "Parameter ordType can not be empty.", 400)
    matches = _algo_filter(params)
    items = sorted(acc.algos.values(), key=lambda a: a.algo_id)
    rows = (a.row() for a in page(items, lambda a: a.algo_id, params) if matches(a))
    return first(rows, limit_of(params))


def algos_history(acc: Account, params: Params) -> list[Row]:
    state, algo_id = given(params, "state"), given(params, "algoId")
    if not given(params, "ordType"):
        raise OkxError("50014", "Parameter ordType can not be empty.", 400)
    if bool(state) == bool(algo_id):
        raise OkxError("51000", "Either parameter state or algoId is required", 400)
    matches = _algo_filter(params)
    items = sorted(acc.algo_done, key=lambda a: a.algo_id)
    rows = (
        a.row() for a in page(items, lambda a: a.algo_id, params)
        if matches(a) and (not state or a.state == state)
    )  # fmt: skip
    return first(rows, limit_of(params))


def get_algo(acc: Account, params: Params) -> list[Row]:
    algo_id, cl_ord_id = given(params, "algoId"), given(params, "algoClOrdId")
    if not algo_id and not cl_ord_id:
        raise OkxError("51000", "Either parameter algoId or algoClOrdId is required", 400)
    for algo in [*acc.algos.values(), *reversed(acc.algo_done)]:
        if (algo_id and str(algo.algo_id) == algo_id) or (
            not algo_id and algo.cl_ord_id == cl_ord_id
        ):
            return [algo.row()]
    raise OkxError("51603", "Order does not exist")
