"""Order book channels: one snapshot, then differences that carry the sequence on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from venues.paper.server.channels import BOOK_DEPTHS, FULL_BOOKS

if TYPE_CHECKING:
    from venues.paper.engine.exchange import Exchange

IDLE_UPDATE_S = 60.0

Level = list[str]


class BookTopic:
    """What the subscribers of one book channel of one instrument have been told so far."""

    __slots__ = ("_asks", "_bids", "_depth", "_seq", "channel", "dirty", "inst_id", "told_at")

    def __init__(self, channel: str, inst_id: str) -> None:
        self.channel = channel
        self.inst_id = inst_id
        self.dirty = False
        self.told_at = 0.0
        self._depth = BOOK_DEPTHS[channel]
        self._bids: dict[str, Level] = {}
        self._asks: dict[str, Level] = {}
        self._seq = -1

    @property
    def full(self) -> bool:
        return self.channel in FULL_BOOKS

    def snapshot(self, exchange: Exchange, ts: int, now: float) -> dict[str, Any]:
        """For a first subscriber; with others present call `update` for them before."""
        bids, asks, self._seq = exchange.book_levels(self.inst_id, self._depth)
        self._bids = {level[0]: level for level in bids}
        self._asks = {level[0]: level for level in asks}
        self.dirty = False
        self.told_at = now
        row: dict[str, Any] = {"asks": asks, "bids": bids, "ts": str(ts)}
        if self.full:
            return {**row, "instId": self.inst_id, "seqId": self._seq}
        return {**row, "checksum": 0, "seqId": self._seq, "prevSeqId": -1}

    def update(self, exchange: Exchange, ts: int, now: float) -> dict[str, Any] | None:
        """The next row for those who have the state before it; None when nothing changed."""
        self.dirty = False
        bids, asks, seq = exchange.book_levels(self.inst_id, self._depth)
        new_bids = {level[0]: level for level in bids}
        new_asks = {level[0]: level for level in asks}
        bid_changes = _changes(self._bids, new_bids)
        ask_changes = _changes(self._asks, new_asks)
        if not bid_changes and not ask_changes:
            return None
        previous, self._seq = self._seq, seq
        self._bids, self._asks = new_bids, new_asks
        self.told_at = now
        if self.full:
            return {"asks": asks, "bids": bids, "instId": self.inst_id, "ts": str(ts), "seqId": seq}
        return {
            "asks": ask_changes,
            "bids": bid_changes,
            "ts": str(ts),
            "checksum": 0,
            "seqId": seq,
            "prevSeqId": previous,
        }

    def keep_alive(self, ts: int, now: float) -> dict[str, Any] | None:
        """After a minute without change: an empty update whose sequence stands still."""
        if self.full or now - self.told_at < IDLE_UPDATE_S:
            return None
        self.told_at = now
        return {
            "asks": [],
            "bids": [],
            "ts": str(ts),
            "checksum": 0,
            "seqId": self._seq,
            "prevSeqId": self._seq,
        }


def _changes(old: dict[str, Level], new: dict[str, Level]) -> list[Level]:
    changed = [level for px, level in new.items() if old.get(px) != level]
    changed += [[px, "0", "0", "0"] for px in old if px not in new]
    return changed
