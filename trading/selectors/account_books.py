"""What differs on accounts and waits for somebody, and what they hold beside copies, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from customers.models import Customer
from customers.templatetags.figures import quantity, short_symbol
from strategies.domain.settings import CopySettings
from strategies.models import Subscription
from strategies.selectors.settings import copies_in_force
from trading.finding_texts import finding_text
from trading.models import AccountBooks, CopyStart, Finding, UnattributedPosition
from trading.selectors.copy_starts import start_lines


@dataclass(frozen=True, slots=True)
class OpenFinding:
    id: str
    at: datetime
    text: str
    subscription_id: str | None
    """None: it concerns the account as a whole."""
    copy: str = ""


@dataclass(slots=True)
class BooksView:
    findings: list[OpenFinding] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    """What the account holds that belongs to no copy, a sentence each."""
    differs_since: datetime | None = None

    def of_copy(self, subscription: Subscription) -> BooksView:
        """Without what concerns other copies of the account."""
        found = [row for row in self.findings if row.subscription_id in (None, subscription.pk)]
        return BooksView(found, self.own, self.differs_since)

    def __bool__(self) -> bool:
        return bool(self.findings or self.own or self.differs_since)


def customer_books(customer: Customer) -> dict[str, BooksView]:
    """By account, those with nothing to say left out. Three queries."""
    return _views(
        Finding.objects.for_customer(customer),
        UnattributedPosition.objects.for_customer(customer),
        AccountBooks.objects.for_customer(customer),
    )


def account_books(tenant_id: str, account_id: str) -> BooksView:
    """Three queries."""
    mine = {"account_id": account_id}
    views = _views(
        Finding.objects.for_tenant(tenant_id).filter(**mine),
        UnattributedPosition.objects.for_tenant(tenant_id).filter(**mine),
        AccountBooks.objects.for_tenant(tenant_id).filter(**mine),
    )
    return views.get(account_id, BooksView())


def _views(
    findings: QuerySet[Finding],
    rests: QuerySet[UnattributedPosition],
    books: QuerySet[AccountBooks],
) -> dict[str, BooksView]:
    views: dict[str, BooksView] = defaultdict(BooksView)
    opened = findings.filter(state=Finding.State.OPEN).select_related("subscription__strategy")
    for row in opened.order_by("-pk"):
        views[row.account_id].findings.append(
            OpenFinding(
                id=row.pk,
                at=row.first_seen_at,
                text=finding_text(row.kind, {**row.params, "symbol": row.symbol}),
                subscription_id=row.subscription_id,
                copy="" if row.subscription is None else row.subscription.strategy.name,
            )
        )
    columns = ("account_id", "symbol", "quantity")
    for account_id, symbol, held in rests.order_by("symbol", "position_side").values_list(*columns):
        if held:
            views[account_id].own.append(_own_text(symbol, held))
    for account_id, since in books.exclude(differs_since=None).values_list(
        "account_id", "differs_since"
    ):
        views[account_id].differs_since = since
    return dict(views)


def _own_text(symbol: str, held: Decimal) -> str:
    numbers = {"quantity": quantity(abs(held)), "symbol": short_symbol(symbol)}
    if held > 0:
        return _("%(quantity)s contracts long in %(symbol)s belong to no copy.") % numbers
    return _("%(quantity)s contracts short in %(symbol)s belong to no copy.") % numbers


@dataclass(frozen=True, slots=True)
class CopyCard:
    copy: Subscription
    books: BooksView
    settings: CopySettings | None
    """In force; None when they cannot be read."""
    start: Sequence[str] = ()
    """What became of what the leader held when it began."""


def copy_cards(customer: Customer, copies: Sequence[Subscription]) -> Iterable[CopyCard]:
    """What is said about ended copies is history: nothing but their findings."""
    views = customer_books(customer)
    in_force = copies_in_force(customer, copies)
    starts = start_lines(CopyStart.objects.for_customer(customer))
    for copy in copies:
        view = views.get(copy.account_id, BooksView()).of_copy(copy)
        if copy.status == Subscription.Status.STOPPED:
            view = BooksView([row for row in view.findings if row.subscription_id])
        found = in_force.get(copy.pk)
        settings = None if found is None else found.settings
        is_over = copy.status == Subscription.Status.STOPPED
        yield CopyCard(copy, view, settings, () if is_over else starts.get(copy.pk, ()))
