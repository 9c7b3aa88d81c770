"""One account's books against one reading of it, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.models import ExchangeAccount
from customers.services.events import EventDraft, customer_audience, events_record
from trading.domain.reconciliation import (
    Attribution,
    FindingKind,
    Suspicion,
    Unattributed,
    Verdict,
    judge_difference,
    name_of_loss,
    name_of_own,
    net_out,
    opened_by_hand,
    opposed,
    unattributed_after,
)
from trading.models import AccountBooks
from trading.services.cancelling import entries_overtake
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.foreign_fills import fills_book, fills_store
from trading.services.reconciliation.ledger import AccountLedger, Key
from trading.services.reconciliation.readings import AccountReading
from venues.domain.types import Instrument, PositionSnapshot


@dataclass(frozen=True, slots=True)
class Outcome:
    """`agrees`: every difference is explained by what is under way; else they differ since then.
    `missing`: our orders of which fills are missing."""

    agrees: bool
    missing: tuple[str, ...] = ()
    differs_since: datetime | None = None


def books_compare(
    *, tenant_id: str, reading: AccountReading, instruments: Mapping[str, Instrument]
) -> Outcome:
    """Book what others traded, compare, follow what was seen twice, and note it by name.

    `instruments` by symbol: what is missing there is left for later. Running it again with the
    same reading changes nothing but what was suspected. In the tenant's scope.
    """
    assert reading.account.tenant_id == tenant_id
    return retry_on_deadlock(lambda: _compare(reading, instruments))


@transaction.atomic
def _compare(reading: AccountReading, instruments: Mapping[str, Instrument]) -> Outcome:
    account = reading.account
    ledger = AccountLedger.locked(account, timezone.now())
    books = _books(reading)
    missing = fills_store(account, reading.fills)
    comparison = _Comparison(ledger, books, reading, instruments, missing)
    comparison.run()
    ledger.store()
    findings_note(account, comparison.found, ledger.now)
    # A reading that could not be read in full proves nothing, but what it shows is booked.
    agrees = comparison.agrees and reading.is_complete and not missing
    _note(books, reading, agrees=agrees)
    if ledger.has_changed:
        payload = {"account": account.pk, "symbol": ""}
        audience = customer_audience(account.customer_id)
        events_record([EventDraft(account.tenant_id, audience, "position.changed", payload)])
    failpoint("books.before_commit")
    return Outcome(agrees, tuple(missing), books.differs_since)


def _books(reading: AccountReading) -> AccountBooks:
    rows = AccountBooks.objects.for_tenant(reading.account.tenant_id)
    found = rows.select_for_update().filter(account_id=reading.account.pk).first()
    if found is not None:
        return found
    books = AccountBooks(
        tenant_id=reading.account.tenant_id,
        account_id=reading.account.pk,
        since=reading.asked_at_venue,
        fills_read_until=reading.asked_at_venue,
    )
    books.save(force_insert=True)
    return books


def _note(books: AccountBooks, reading: AccountReading, *, agrees: bool) -> None:
    now = timezone.now()
    if not reading.fills.unreadable:
        read_until = reading.read_until(reading.fills)
        books.fills_read_until = max(books.fills_read_until, read_until)
    if agrees:
        books.passed_at, books.differs_since = now, None
        ExchangeAccount.objects.for_tenant(books.tenant_id).filter(pk=books.account_id).update(
            reconciled_at=now
        )
    elif books.differs_since is None:
        books.differs_since = now
    books.save(update_fields=["fills_read_until", "passed_at", "differs_since"])


class _Comparison:
    """Symbol by symbol and side by side."""

    def __init__(
        self,
        ledger: AccountLedger,
        books: AccountBooks,
        reading: AccountReading,
        instruments: Mapping[str, Instrument],
        missing: Sequence[str],
    ) -> None:
        self._missing = missing
        self._ledger, self._books, self._reading = ledger, books, reading
        self._instruments = instruments
        self._held = reading.held()
        self._causes: dict[Key, Attribution] = {}
        self.found: list[Found] = []
        self.agrees = True

    def run(self) -> None:
        ledger, reading = self._ledger, self._reading
        symbols = {key[0] for key in ledger.keys(self._held)}
        # Before anything is booked, which moves rows, too.
        moving = {symbol for symbol in symbols if ledger.is_in_flight(symbol, reading)}
        rests = {key: rest.quantity for key, rest in self._rests().items()}
        self._causes = fills_book(
            ledger, self._books, reading.fills, self._instruments, self._missing
        )
        if reading.positions.unreadable or not reading.fills_are_all:
            self.agrees = False
        else:
            for key in ledger.keys(self._held):
                self._compare(key, is_in_flight=key[0] in moving)
        self._name_own(rests)

    def _rests(self) -> dict[Key, Unattributed]:
        return {key: self._ledger.rest(key) for key in self._ledger.unattributed}

    def _compare(self, key: Key, *, is_in_flight: bool) -> None:
        ledger = self._ledger
        shown = self._held.get(key)
        difference = (Decimal(0) if shown is None else shown.quantity) - ledger.book(key).total
        instrument = self._instruments.get(key[0])
        if instrument is None:
            self.agrees = self.agrees and not difference
            return
        verdict = judge_difference(
            difference, self._suspicion(key), is_in_flight=is_in_flight, now=ledger.now
        )
        if verdict is Verdict.ACT:
            self._adjust(key, difference, shown, instrument)
        ledger.suspect(key, difference if verdict is Verdict.WAIT else None)
        if verdict is Verdict.WAIT:
            self.agrees = False
        if verdict in (Verdict.AGREES, Verdict.ACT) and not is_in_flight:
            self._net(key, instrument)
            self._settle(key, shown, instrument)

    def _suspicion(self, key: Key) -> Suspicion | None:
        row = self._ledger.unattributed.get(key)
        if row is None or row.suspected is None or row.suspected_at is None:
            return None
        return Suspicion(row.suspected, row.suspected_at)

    def _adjust(
        self, key: Key, difference: Decimal, shown: PositionSnapshot | None, instrument: Instrument
    ) -> None:
        """No fill tells of it: the books follow what the exchange holds."""
        ledger = self._ledger
        rest = unattributed_after(
            ledger.rest(key),
            signed_quantity=difference,
            price=self._price(key, shown),
            fee=Decimal(0),
            at=ledger.now,
            instrument=instrument,
        )
        ledger.move_rest(key, rest, cause=Attribution.MANUAL)
        first = self._books.passed_at is None
        kind = FindingKind.HELD_BEFORE if first else FindingKind.MISSING_FILL
        self.found.append(Found(kind, key, {"quantity": _text(difference)}))

    def _price(self, key: Key, shown: PositionSnapshot | None) -> Decimal:
        """Of what nobody told the price of: the position's, else as what is there was entered,
        so that it brings neither profit nor loss."""
        if shown is not None:
            price = shown.average_price or shown.mark_price
            if price is not None:
                return price
        book = self._ledger.book(key)
        if book.unattributed.average_price is not None:
            return book.unattributed.average_price
        entries = [self._ledger.copy(pk).average_entry_price for pk in book.copies]
        return next((price for price in entries if price is not None), Decimal(1))

    def _net(self, key: Key, instrument: Instrument) -> None:
        ledger = self._ledger
        shares = net_out(ledger.book(key), instrument.lot)
        if not shares:
            return
        row = ledger.unattributed[key]
        cause = self._causes.get(key) or Attribution(row.cause or Attribution.MANUAL)
        price = ledger.rest(key).average_price
        for copy, share in ledger.take_from_copies(key, shares, instrument):
            if not copy.filled or cause is Attribution.LIQUIDATION:
                # Nobody who closes a position wants what still waits to open it again.
                entries_overtake(
                    position=copy,
                    exit_side="buy" if share > 0 else "sell",
                    now=ledger.now,
                    placed_by=ledger.moved_at.get(key, self._reading.asked_at),
                )
            params = {
                "quantity": _text(abs(share)),
                "left": _text(abs(copy.filled)),
                "price": _text(price),
            }
            kind = name_of_loss(cause, left=copy.filled)
            self.found.append(Found(kind, key, params, copy.subscription_id))

    def _settle(self, key: Key, shown: PositionSnapshot | None, instrument: Instrument) -> None:
        """Whatever the price is, together the copies gain what they entered apart."""
        ledger = self._ledger
        price = self._price(key, shown)
        for pk, share in opposed(ledger.book(key).copies, instrument.lot).items():
            copy = ledger.move_copy(pk, share, price, Decimal(0), instrument)
            params = {
                "quantity": _text(abs(share)),
                "left": _text(abs(copy.filled)),
                "price": _text(price),
            }
            self.found.append(Found(FindingKind.COPIES_SETTLED, key, params, copy.subscription_id))

    def _name_own(self, before: Mapping[Key, Decimal]) -> None:
        told = {found.key for found in self.found if found.kind is FindingKind.HELD_BEFORE}
        for key, rest in self._rests().items():
            was = before.get(key, Decimal(0))
            kind = name_of_own(was, rest.quantity)
            if kind is not None and key not in told and self._causes.get(key):
                params = {
                    "quantity": _text(rest.quantity),
                    "price": _text(rest.average_price),
                    "opened": _text(opened_by_hand(was, rest.quantity)),
                }
                self.found.append(Found(kind, key, params))


def _text(amount: Decimal | None) -> str:
    if amount is None:
        return ""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
