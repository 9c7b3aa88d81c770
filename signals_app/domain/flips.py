"""What is left of a flip whose entry is not taken. Pure."""

from __future__ import annotations

from decimal import Decimal

from signals_app.domain.canonical import Action, CanonicalSignal, Side


def exit_of_flip(flip: CanonicalSignal) -> CanonicalSignal:
    """The close of the position that it leaves; nothing is opened on the other side."""
    knows_positions = flip.leader_position_before is not None
    return CanonicalSignal(
        action=Action.CLOSE,
        symbol=flip.symbol,
        side=Side.SHORT if flip.side is Side.LONG else Side.LONG,
        price=flip.price,
        emitted_at=flip.emitted_at,
        expires_at=flip.expires_at,
        sequence=flip.sequence,
        leader_equity=flip.leader_equity,
        leader_position_before=flip.leader_position_before,
        leader_position_after=Decimal(0) if knows_positions else None,
    )
