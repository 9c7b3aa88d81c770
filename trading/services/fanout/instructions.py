"""What a signal asks of every follower in one market."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from signals_app.models import Signal
from strategies.domain.sizing import LeaderSize, SizeBasis
from trading.domain.planning import Instruction
from trading.services.fanout.context import Market, ShardContext

ZERO, ONE = Decimal(0), Decimal(1)


def instruction_for(context: ShardContext, market: Market) -> Instruction:
    signal = context.signal
    leader = context.leader_market
    assert market.instrument is not None
    basis = SizeBasis(signal.size_basis) if signal.size_basis else None
    direction = {"long": 1, "short": -1}.get(signal.side, 0)
    if context.action != signal.action:
        direction = 0  # of what is entered in another symbol; here all that is held ends
    instruction = Instruction(
        action=context.action,  # type: ignore[arg-type]  # the model's choices are the Literal's
        direction=direction,
        leader=LeaderSize(
            size=signal.size,
            basis=basis,
            instrument=leader.instrument or market.instrument,
            # Without any, nothing is sized by it: planning looks at the follower's.
            price=signal.price or leader.price or market.price or ZERO,
            leverage=signal.leverage or ONE,
            equity=signal.leader_equity,
            stop_loss=signal.stop_loss,
            direction=direction,
        ),
        reduce_fraction=_reduce_fraction(signal),
    )
    return instruction if context.symbol == signal.symbol else _mapped(instruction, context, market)


def _mapped(instruction: Instruction, context: ShardContext, market: Market) -> Instruction:
    """For another symbol than the leader's: what is known only of the follower's market says
    nothing of the leader's, and a reduction is the share that it is of the leader's position."""
    leader, instrument = instruction.leader, context.leader_market.instrument
    size, basis = leader.size, leader.basis
    if instrument is None and basis in (SizeBasis.CONTRACTS, SizeBasis.BASE):
        size = None  # nobody knows what one of them is
    if instruction.action == "reduce" and instruction.reduce_fraction is not None:
        basis = SizeBasis.POSITION_FRACTION
    there = None if not market.ratio or market.price is None else market.price / market.ratio
    price = context.signal.price or there or ZERO
    found = replace(leader, size=size, basis=basis, price=price, market_price=there)
    return replace(instruction, leader=found)


def _reduce_fraction(signal: Signal) -> Decimal | None:
    """By the leader's positions where the signal has them: a third has no end in decimals. None
    of what is no reduction, or is an amount of what nobody knows."""
    if signal.action != Signal.Action.REDUCE:
        return None
    before, after = signal.leader_position_before, signal.leader_position_after
    if before and after is not None and 0 <= after / before < 1:
        return ONE - after / before
    by_fraction = signal.size_basis == Signal.SizeBasis.POSITION_FRACTION
    return signal.size if by_fraction else None


def instruction_at(instruction: Instruction, leverage: Decimal) -> Instruction:
    """For a signal without leverage: the leader's is taken to be the follower's."""
    return replace(instruction, leader=replace(instruction.leader, leverage=leverage))
