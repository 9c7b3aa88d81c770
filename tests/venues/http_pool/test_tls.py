"""Over TLS: who is believed, and what an end means."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.venues.http_pool.server import Peer, answer, echo, get, settled, until
from venues.http_pool import ConnectError, DisconnectedError, connecting

MakeTls = Callable[..., ssl.SSLContext]


class Authority:
    """A certificate authority that nobody knows until it is trusted."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the test")])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self._sign(self._name, self._key, constraints, critical=True)

    def _sign(self, name: Any, key: Any, extension: Any, *, critical: bool = False) -> Any:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(extension, critical=critical)
            .sign(self._key, hashes.SHA256())
        )

    def server_context(self, directory: Path, *names: x509.GeneralName) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        certificate = self._sign(subject, key, x509.SubjectAlternativeName(names))
        chain, private = directory / "chain.pem", directory / "key.pem"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, private)
        return context


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTls:
    """Server contexts of an authority that this process trusts, as it trusts its system's."""
    authority = Authority()
    bundle = tmp_path / "authorities.pem"
    bundle.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))

    def context(*names: x509.GeneralName) -> ssl.SSLContext:
        return authority.server_context(tmp_path, *(names or (LOOPBACK,)))

    return context


async def test_a_server_with_a_trusted_certificate_is_asked_over_kept_connections(
    trusted: MakeTls, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(echo, tls=trusted())
    pool = make_pool(server.url)
    for number in range(3):
        assert (await get(pool, f"/{number}")).body == f"/{number}".encode()
    found = await asyncio.gather(*(get(pool, f"/{number}") for number in range(20)))
    assert [one.body for one in found] == [f"/{number}".encode() for number in range(20)]
    assert server.connections <= 10


async def test_a_certificate_is_checked_against_the_name(
    trusted: MakeTls,
    start_server: Any,
    make_pool: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def addresses(*_: object) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr(connecting, "addresses_of", addresses)
    server = await start_server(echo, tls=trusted(x509.DNSName("exchange.test")))
    right = make_pool(f"https://exchange.test:{server.port}")
    assert (await get(right, "/named")).body == b"/named"
    for host in ("other.test", "127.0.0.1"):
        with pytest.raises(ConnectError, match="certificate"):
            await get(make_pool(f"https://{host}:{server.port}"))


async def test_a_server_whose_authority_is_unknown_gets_nothing(
    tmp_path: Path, start_server: Any, make_pool: Any
) -> None:
    requests = []

    async def script(peer: Peer) -> None:
        requests.append(await peer.read_some())

    tls = Authority().server_context(tmp_path, LOOPBACK)
    server = await start_server(script, tls=tls)
    pool = make_pool(server.url, limit=1)
    for _ in range(2):
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await get(pool)
    assert requests == []


async def test_a_server_without_tls_gets_nothing(
    trusted: MakeTls, start_server: Any, make_pool: Any
) -> None:
    heard = bytearray()

    async def script(peer: Peer) -> None:
        heard.extend(await peer.read_some())
        await peer.send(answer(b"trust me"))

    server = await start_server(script)
    with pytest.raises(ConnectError):
        await get(make_pool(server.url.replace("http:", "https:")), "/secret")
    assert b"secret" not in heard


async def test_a_handshake_that_takes_too_long_is_given_up_and_its_connection_closed(
    trusted: MakeTls, start_server: Any, make_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_SECONDS", 0.1)

    async def silent(peer: Peer) -> None:
        await peer.gone()

    server = await start_server(silent)
    pool = make_pool(server.url.replace("http:", "https:"), limit=1)
    for _ in range(3):
        with pytest.raises(ConnectError, match="in time"):
            await get(pool)
    await until(lambda: server.open == 0)
    assert server.connections == 3


async def test_a_request_cancelled_during_the_handshake_closes_its_connection(
    trusted: MakeTls, start_server: Any, make_pool: Any
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    server = await start_server(silent)
    pool = make_pool(server.url.replace("http:", "https:"), limit=1)
    for number in range(3):
        request = asyncio.create_task(get(pool))
        await until(lambda number=number: server.connections > number)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    await until(lambda: server.open == 0)
    assert server.connections == 3


async def test_an_address_that_never_ends_its_handshake_holds_nobody_up(
    trusted: MakeTls, start_server: Any, make_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def addresses(*_: object) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async def silent(peer: Peer) -> None:
        await peer.gone()

    monkeypatch.setattr(connecting, "addresses_of", addresses)
    monkeypatch.setattr(connecting, "NEXT_ADDRESS_SECONDS", 0.02)
    server = await start_server(echo, tls=trusted(x509.DNSName("exchange.test")))
    other = await start_server(silent, host="127.0.0.9", port=server.port)
    pool = make_pool(f"https://exchange.test:{server.port}")
    assert (await get(pool, "/named")).body == b"/named"
    await until(lambda: other.open == 0)
    assert other.connections == 1


async def test_a_cut_answer_is_an_error_over_tls_too(
    trusted: MakeTls, start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(answer(b'{"code":"0"}')[:-1])
        if request.target == "/cut":
            peer.end_now()
            await asyncio.sleep(0.05)

    server = await start_server(script, tls=trusted())
    pool = make_pool(server.url)
    for target in ("/closed", "/cut"):
        with pytest.raises(DisconnectedError):
            await get(pool, target)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_kept_connection_that_ended_meanwhile_is_not_used(
    announced: bool, trusted: MakeTls, start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(answer(request.target.encode()))
        if not announced:
            peer.end_now()
            await asyncio.sleep(0.05)

    server = await start_server(script, tls=trusted())
    pool = make_pool(server.url)
    for number in range(3):
        assert (await get(pool, f"/{number}")).body == f"/{number}".encode()
        await settled()
    assert server.connections == 3
