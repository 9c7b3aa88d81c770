"""/ws/events/: who hears what, in order, without gaps."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from customers.models import AudienceCounter, CustomerUser, Event, Membership, Tenant
from customers.tenancy import system_scope
from notifications import consumers
from tests.factories import (
    CustomerFactory,
    CustomerUserFactory,
    MembershipFactory,
    TenantFactory,
    UserFactory,
)
from tests.notifications.sockets import (
    HOST,
    anumber,
    apublish,
    apush,
    arecord,
    connected,
    session_for,
    socket_of,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


class Staff:
    def __init__(self) -> None:
        self.membership = MembershipFactory()
        self.tenant = self.membership.tenant
        self.audience = f"tenant:{self.tenant.pk}"
        self.session = session_for(self.membership.user)


class Client:
    def __init__(self, **changes: Any) -> None:
        self.login = CustomerUserFactory(**changes)
        self.customer = self.login.customer
        self.tenant = self.login.tenant
        self.audience = f"customer:{self.customer.pk}"
        self.session = session_for(self.login.user)


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def client_() -> Client:
    return Client()


# --- what is heard --------------------------------------------------------------------------


async def test_staff_hear_hello_and_then_their_tenants_events(staff: Staff) -> None:
    await apublish(staff.tenant, staff.audience, 2)
    socket, hello = await connected(staff.session)
    assert hello == {"type": "hello", "audience": staff.audience, "sequence": 2}
    await apublish(staff.tenant, staff.audience, 1)
    frame = await socket.frame()
    assert frame.pop("at").endswith("+00:00")
    assert frame == {
        "type": "event",
        "audience": staff.audience,
        "sequence": 3,
        "kind": "order.changed",
        "payload": {"n": 0, "text": ""},
    }
    await socket.leave()


async def test_a_client_hears_only_the_own_customer(client_: Client) -> None:
    colleague = await sync_to_async(lambda: Client(customer__tenant=client_.tenant))()
    stranger = await sync_to_async(Client)()
    socket, hello = await connected(client_.session)
    assert hello["audience"] == client_.audience
    for other in (colleague, stranger):
        await apublish(other.tenant, other.audience, 3)
        await apublish(other.tenant, f"tenant:{other.tenant.pk}", 3)
    await apublish(client_.tenant, client_.audience, 1)
    frame = await socket.frame()
    assert (frame["audience"], frame["sequence"]) == (client_.audience, 1)
    assert await socket.receive_nothing(0.3)
    await socket.leave()


async def test_a_session_that_names_another_customer_or_tenant_gains_nothing() -> None:
    def build() -> tuple[Any, Any, Client, Staff]:
        client, staff = Client(), Staff()
        victim, foreign = CustomerFactory(), TenantFactory()
        forged_client = session_for(client.login.user, customer_id=victim.pk)
        forged_staff = session_for(staff.membership.user, tenant_id=foreign.pk)
        return forged_client, forged_staff, client, staff

    forged_client, forged_staff, client, staff = await sync_to_async(build)()
    for session, audience in ((forged_client, client.audience), (forged_staff, staff.audience)):
        socket, hello = await connected(session)
        assert hello["audience"] == audience
        await socket.leave()


async def test_the_sessions_choice_among_the_allowed_ones_counts(client_: Client) -> None:
    def second() -> tuple[Any, str]:
        other = CustomerUserFactory(user=client_.login.user)
        chosen = session_for(client_.login.user, customer_id=other.customer.pk)
        return chosen, f"customer:{other.customer.pk}"

    session, audience = await sync_to_async(second)()
    socket, hello = await connected(session)
    assert hello["audience"] == audience
    await socket.leave()


async def test_a_login_that_is_both_chooses_by_the_page(staff: Staff) -> None:
    login = await sync_to_async(CustomerUserFactory)(user=staff.membership.user)
    expected = {
        "?as=client": f"customer:{login.customer.pk}",
        "?as=staff": staff.audience,
        "": staff.audience,
    }
    for query, audience in expected.items():
        socket, hello = await connected(staff.session, query)
        assert hello["audience"] == audience
        await socket.leave()


# --- who is let in --------------------------------------------------------------------------


async def refused(session: Any, query: str = "", **request: Any) -> bool:
    socket = socket_of(session, query, **request)
    accepted = await socket.accepted()
    await socket.leave()
    return not accepted


async def test_without_a_usable_session_nobody_is_let_in(staff: Staff, client_: Client) -> None:
    def unusable() -> list[Any]:
        nobody = session_for(UserFactory())
        inactive = Client()
        inactive.login.user.is_active = False
        inactive.login.user.save()
        changed = Client()
        changed.login.user.set_password("another-long-password")
        changed.login.user.save()
        suspended = Client()
        Tenant.objects.filter(pk=suspended.tenant.pk).update(status=Tenant.Status.SUSPENDED)
        logged_out = Client()
        key = logged_out.session.session_key
        logged_out.session.flush()
        logged_out.session._session_key = key
        return [nobody, inactive.session, changed.session, suspended.session, logged_out.session]

    for session in [None, *await sync_to_async(unusable)()]:
        assert await refused(session)
    assert await refused(client_.session, "?as=staff")
    assert await refused(staff.session, "?as=client")
    assert await refused(staff.session, "?as=root")
    assert not await refused(staff.session)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "https://evil.example",
        f"https://{HOST}.evil.example",
        f"https://{HOST}:8443",
        f"https://evil.example/{HOST}",
        f"ftp://{HOST}",
        f"https://user@{HOST}",
    ],
)
async def test_a_page_of_another_origin_is_refused(staff: Staff, origin: str | None) -> None:
    assert await refused(staff.session, origin=origin)


async def test_hosts_and_trusted_origins_follow_the_settings(staff: Staff, settings: Any) -> None:
    settings.ALLOWED_HOSTS = [HOST]
    settings.CSRF_TRUSTED_ORIGINS = ["https://portal.example"]
    evil = {"host": "evil.example", "origin": "https://evil.example"}
    assert await refused(staff.session, **evil)
    assert not await refused(staff.session, origin="https://portal.example")
    assert not await refused(staff.session, origin=f"http://{HOST}")


# --- nothing is missed, nothing comes twice ---------------------------------------------------


async def test_what_was_missed_is_replayed(staff: Staff) -> None:
    await apublish(staff.tenant, staff.audience, 5)
    socket, hello = await connected(staff.session, "?since=2")
    assert hello["sequence"] == 5
    await apublish(staff.tenant, staff.audience, 1)
    assert [frame["sequence"] for frame in await socket.frames(4)] == [3, 4, 5, 6]
    assert await socket.receive_nothing(0.2)
    await socket.leave()


async def test_a_replay_is_whole_up_to_its_bound(staff: Staff) -> None:
    await apublish(staff.tenant, staff.audience, 500)
    socket, _ = await connected(staff.session, "?since=0")
    frames = await socket.frames(500)
    assert [frame["sequence"] for frame in frames] == list(range(1, 501))
    await socket.leave()


@pytest.mark.parametrize("since", ["0", "602", "999", "-1", "x", "", "1" * 30, "٣"])
async def test_what_cannot_be_replayed_is_a_reset(staff: Staff, since: str) -> None:
    await apublish(staff.tenant, staff.audience, 601)
    socket, hello = await connected(staff.session, f"?since={since}")
    if since == "":
        assert hello["sequence"] == 601  # as if it was not there
    else:
        assert await socket.frame() == {"type": "reset", "sequence": 601}
    await apublish(staff.tenant, staff.audience, 1)
    assert (await socket.frame())["sequence"] == 602
    await socket.leave()


async def test_events_that_are_deleted_by_now_are_a_reset(staff: Staff) -> None:
    await apublish(staff.tenant, staff.audience, 5)

    def forget() -> None:
        with system_scope("test"):
            Event.objects.filter(sequence__lte=3).delete()

    await sync_to_async(forget)()
    socket, _ = await connected(staff.session, "?since=2")
    assert (await socket.frame())["type"] == "reset"
    await socket.leave()
    socket, _ = await connected(staff.session, "?since=3")
    assert [frame["sequence"] for frame in await socket.frames(2)] == [4, 5]
    await socket.leave()


async def test_a_push_that_was_lost_is_filled_from_the_database(staff: Staff) -> None:
    socket, _ = await connected(staff.session)
    await arecord(staff.tenant, staff.audience, 3)
    await anumber()  # and never pushed
    await apublish(staff.tenant, staff.audience, 2)
    assert [frame["sequence"] for frame in await socket.frames(5)] == [1, 2, 3, 4, 5]
    await socket.leave()


async def test_a_repeated_push_is_heard_once(staff: Staff) -> None:
    socket, _ = await connected(staff.session)
    await arecord(staff.tenant, staff.audience, 3)
    events = await anumber()
    for some in (events, events, events[:1], events[1:]):
        await apush(some)
    assert [frame["sequence"] for frame in await socket.frames(3)] == [1, 2, 3]
    assert await socket.receive_nothing(0.3)
    await socket.leave()


async def test_a_lost_last_push_is_found_without_another_event(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "COMPARE_SECONDS", 0.2)
    socket, _ = await connected(staff.session)
    await arecord(staff.tenant, staff.audience, 2)
    await anumber()
    assert [frame["sequence"] for frame in await socket.frames(2)] == [1, 2]
    await socket.leave()


async def test_a_counter_that_was_set_back_is_a_reset(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored backup: the page knows more than the database."""
    await apublish(staff.tenant, staff.audience, 5)
    monkeypatch.setattr(consumers, "COMPARE_SECONDS", 0.2)
    socket, _ = await connected(staff.session)
    await sync_to_async(AudienceCounter.objects.update)(last_sequence=3)
    assert await socket.frame() == {"type": "reset", "sequence": 3}
    await socket.leave()


async def test_a_ping_is_answered_and_other_talk_ignored(staff: Staff) -> None:
    socket, _ = await connected(staff.session)
    await socket.say('{"type":"subscribe","audience":"tenant:x"}')
    await socket.say(b"\x00")
    await socket.say("ping")
    assert await socket.frame() == {"type": "pong"}
    await socket.leave()


# --- it ends ----------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "COMPARE_SECONDS", 0.1)
    monkeypatch.setattr(consumers, "AUTHORISE_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_a_logout_closes_the_socket(client_: Client) -> None:
    socket, _ = await connected(client_.session)
    await sync_to_async(client_.session.flush)()
    assert await socket.closed_with() == 4401


@pytest.mark.usefixtures("impatient")
async def test_a_removed_login_or_membership_closes_the_socket(
    staff: Staff, client_: Client
) -> None:
    def remove(model: Any, pk: str) -> None:
        with system_scope("test"):
            model.objects.filter(pk=pk).delete()

    for session, model, pk in (
        (staff.session, Membership, staff.membership.pk),
        (client_.session, CustomerUser, client_.login.pk),
    ):
        socket, _ = await connected(session)
        assert await socket.receive_nothing(0.5)
        await sync_to_async(remove)(model, pk)
        assert await socket.closed_with() == 4401


def test_authorisation_is_renewed_in_time() -> None:
    assert consumers.AUTHORISE_SECONDS + consumers.COMPARE_SECONDS <= 30


@pytest.mark.usefixtures("impatient")
async def test_a_bug_in_the_watch_ends_the_socket(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise LookupError("a bug")

    socket, _ = await connected(staff.session)
    monkeypatch.setattr(consumers, "listener_sequence", broken)
    with pytest.raises(LookupError):
        await socket.wait(timeout=5)
