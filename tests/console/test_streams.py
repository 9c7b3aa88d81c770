"""Staff see how an account is being watched, and do not believe a streamer that is gone."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from customers.models import StreamState
from customers.tenancy import tenant_scope
from tests import factories as make
from tests.console.conftest import Firm

LEASE = "stream-shard:000"


def _page(owner: Client, firm: Firm) -> str:
    url = reverse("admin:customers_exchangeaccount_change", args=[firm.account.pk])
    return owner.get(url).content.decode()


def test_a_live_stream_is_shown_as_long_as_its_streamer_has_the_lease(
    firm: Firm, owner: Client
) -> None:
    assert "no stream, read from time to time" in _page(owner, firm)
    make.LeaseFactory(name=LEASE, holder="host:1:a")
    assert ">live<" in _page(owner, firm)
    rows = owner.get(reverse("admin:customers_streamstate_changelist")).content.decode()
    assert "live" in rows
    assert f"{firm.account.label} · {firm.account.customer.name}" in rows
    assert "no stream" not in rows


def test_trouble_is_shown_with_its_reason(firm: Firm, owner: Client) -> None:
    make.LeaseFactory(name=LEASE, holder="host:1:a")
    with tenant_scope(firm.tenant.pk):
        StreamState.objects.update(state="refused", trouble="credentials", detail="60007 wrong")
    page = _page(owner, firm)
    assert "The exchange refused the API key." in page
    assert "60007 wrong" in page


def test_streams_are_listed_by_name_whatever_they_are_of(firm: Firm, owner: Client) -> None:
    leader = make.LeaderFactory(tenant=firm.tenant)
    make.StreamStateFactory(tenant=firm.tenant, kind="leader", subject_id=leader.pk)
    gone = make.StreamStateFactory(tenant=firm.tenant, kind="nobody has it", subject_id="gone")
    rows = owner.get(reverse("admin:customers_streamstate_changelist")).content.decode()
    assert leader.source.name in rows
    assert leader.pk not in rows
    assert "gone" in rows
    url = reverse("admin:customers_streamstate_change", args=[gone.pk])
    assert "gone" in owner.get(url).content.decode()
