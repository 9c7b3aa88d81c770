"""Which subjects this process streams: shards by lease, shared out evenly among who is there.

Every streamer has a membership lease, too, so that each knows how many there are: that divides the
shards, and the venue's connection limit among those of one host. A process that dies holds its
shards until their leases expire; LEASE_LIFETIME and the turns of the others are the take-over time.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from customers.models import Lease
from customers.services.leases import (
    lease_acquire,
    leases_acquire,
    leases_release,
    leases_renew,
)

logger = logging.getLogger(__name__)

LEASE_LIFETIME = timedelta(seconds=9)
TURN_SECONDS = 1.0
FORGOTTEN_AFTER = timedelta(minutes=5)
_SHARD = "stream-shard:"
_MEMBER = "streamer:"


def shard_of(kind: str, subject_id: str) -> int:
    """The same in every process and for ever, as long as STREAM_SHARDS is."""
    digest = hashlib.blake2b(f"{kind}:{subject_id}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % int(settings.STREAM_SHARDS)


def shard_lease(shard: int) -> str:
    return f"{_SHARD}{shard:03d}"


@dataclass(frozen=True, slots=True)
class Holding:
    shards: frozenset[int] = frozenset()
    members: int = 1
    """Streamers that are there, this one included."""
    members_here: int = 1
    """Of them, those on this host: they share its address."""


class ShardLeases:
    """Of one process. Its methods ask the database; DatabaseError is the caller's."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self._held: set[str] = set()
        self._all = {shard_lease(shard) for shard in range(settings.STREAM_SHARDS)}

    def turn(self) -> Holding:
        """Renew what is ours, take what is free, give up what is more than our part."""
        me = f"{_MEMBER}{self.holder}"
        lease_acquire(name=me, holder=self.holder, lifetime=LEASE_LIFETIME)
        members = self._members()
        kept = leases_renew(names=self._held, holder=self.holder, lifetime=LEASE_LIFETIME)
        if lost := self._held - kept:
            logger.warning("streamer %s: others took over %d shards", self.holder, len(lost))
        part = -(-len(self._all) // len(members))
        if len(kept) < part:
            kept = self._take(kept, part)
        elif len(kept) > part:
            surplus = sorted(kept)[part:]
            leases_release(names=surplus, holder=self.holder)
            kept -= set(surplus)
        self._held = kept
        host = self.holder.partition(":")[0]
        here = sum(member.removeprefix(_MEMBER).partition(":")[0] == host for member in members)
        shards = frozenset(int(name.removeprefix(_SHARD)) for name in kept)
        return Holding(shards, len(members), here)

    def _take(self, kept: set[str], part: int) -> set[str]:
        now = timezone.now()
        taken = set(
            Lease.objects.filter(name__in=self._all, expires_at__gt=now)
            # A turn that the database broke off may have taken some for us.
            .exclude(holder__in=["", self.holder])
            .values_list("name", flat=True)
        )
        free = sorted(self._all - taken - kept)[: part - len(kept)]
        return kept | leases_acquire(names=free, holder=self.holder, lifetime=LEASE_LIFETIME)

    def _members(self) -> set[str]:
        """Who is there, this process always; who has long been gone is forgotten."""
        now = timezone.now()
        rows = Lease.objects.filter(name__startswith=_MEMBER).values_list("name", "expires_at")
        known = list(rows)
        gone = [name for name, expires_at in known if expires_at < now - FORGOTTEN_AFTER]
        if gone:
            Lease.objects.filter(name__in=gone, expires_at__lt=now - FORGOTTEN_AFTER).delete()
        alive = {name for name, expires_at in known if expires_at > now}
        return alive | {f"{_MEMBER}{self.holder}"}

    def release(self) -> None:
        """Others may take over at once."""
        leases_release(names=self._held, holder=self.holder)
        Lease.objects.filter(name=f"{_MEMBER}{self.holder}", holder=self.holder).delete()
        self._held = set()
