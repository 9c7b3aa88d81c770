"""From a chart strategy's position before and after to one instruction.

Platforms report an order ("sell 0.2") and the position before and after it; only the positions
say whether a sell is an exit, a reduction, an entry or a flip.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from signals_app.domain.canonical import Action, Side, SizeBasis
from signals_app.domain.parsers.problems import Ignored, ParseProblem, ProblemCode

SIDES = {"long": Side.LONG, "short": Side.SHORT, "buy": Side.LONG, "sell": Side.SHORT}
POSITIONS = ("long", "short", "flat")
_STEP = Decimal("1e-16")


@dataclass(frozen=True, slots=True)
class Step:
    """What to do: `size` is for entries, `fraction` of the position for reductions. Only a close
    may leave the side open."""

    action: Action
    side: Side | None
    size: Decimal | None = None
    fraction: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PositionReport:
    """As reported. Sizes unsigned; `order_side` is "buy", "sell" or ""."""

    before: str
    after: str
    order_side: str = ""
    order_size: Decimal | None = None
    size_before: Decimal | None = None
    size_after: Decimal | None = None


def step_of(report: PositionReport) -> Step:
    """The instruction. Raises ParseProblem when the report contradicts itself, Ignored when
    nothing changes."""
    before, after = report.before, report.after
    if before not in POSITIONS or after not in POSITIONS:
        raise ParseProblem(
            ProblemCode.BAD_VALUE, field="market_position", value=f"{before}/{after}"
        )
    if before == after == "flat":
        raise Ignored(ProblemCode.NOTHING_CHANGES)
    _check_order_side(report)
    if after == "flat":
        return Step(Action.CLOSE, SIDES[before])
    side = SIDES[after]
    if before == "flat":
        return Step(Action.OPEN, side, size=report.size_after or report.order_size)
    if before != after:
        return Step(Action.FLIP, side, size=report.size_after)
    return _same_side(report, side)


def _check_order_side(report: PositionReport) -> None:
    """An order must go the way that the position went."""
    order = report.order_side
    if order not in ("buy", "sell"):
        return
    went = {"short": -1, "flat": 0, "long": 1}
    change = went[report.after] - went[report.before]
    if change and (change > 0) != (order == "buy"):
        raise ParseProblem(
            ProblemCode.POSITION_CONTRADICTS,
            order=order,
            before=report.before,
            after=report.after,
        )


def _same_side(report: PositionReport, side: Side) -> Step:
    grows = _grows(report, side)
    order, before, after = report.order_size, report.size_before, report.size_after
    if before is None and after is not None and order is not None:
        before = after - order if grows else after + order
    if order is None and before is not None and after is not None:
        order = abs(after - before)
    if order is not None and order == 0:
        raise Ignored(ProblemCode.NOTHING_CHANGES)
    if grows:
        return Step(Action.INCREASE, side, size=order)
    if order is None:
        raise ParseProblem(ProblemCode.MISSING_FIELD, field="contracts")
    if before:
        if order >= before:
            return Step(Action.CLOSE, side)
        fraction = (order / before).quantize(_STEP, rounding=ROUND_DOWN)
        return Step(Action.REDUCE, side, fraction=fraction or _STEP)
    return Step(Action.REDUCE, side, size=order)


def _grows(report: PositionReport, side: Side) -> bool:
    if report.size_before is not None and report.size_after is not None:
        if report.size_after == report.size_before:
            raise Ignored(ProblemCode.NOTHING_CHANGES)
        return report.size_after > report.size_before
    if report.order_side not in ("buy", "sell"):
        raise ParseProblem(ProblemCode.DIRECTION_UNCLEAR, value=report.order_side)
    return (report.order_side == "buy") == (side is Side.LONG)


def sized(step: Step, basis: str) -> tuple[Decimal | None, SizeBasis | None]:
    """Size and basis of the canonical signal; `basis` "none" leaves the size to the followers."""
    if step.action is Action.CLOSE:
        return None, None
    if step.fraction is not None:
        return step.fraction, SizeBasis.POSITION_FRACTION
    size = step.size or None
    if step.action is Action.REDUCE:
        if size is None:
            raise ParseProblem(ProblemCode.MISSING_FIELD, field="contracts")
        known = basis if basis in ("base", "contracts", "quote") else "base"
        return size, SizeBasis(known)
    if size is None or basis == "none":
        return None, None
    return size, SizeBasis(basis)
