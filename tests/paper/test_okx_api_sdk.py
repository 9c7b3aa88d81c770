"""The Node SDK okx-api places, amends, cancels, queries and streams, told nothing but the URL."""

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PaperServer

PROJECT = Path(__file__).parent / "okx_api_sdk"
CACHE = Path(__file__).parents[2] / "var" / "cache"


@pytest.fixture(scope="session")
def installed() -> Path:
    """The SDK, installed by its lock file once and kept under var/ for the next run."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail("this test needs Node.js 18 or newer with npm (on Debian: apt install npm)")
    lock = (PROJECT / "package-lock.json").read_bytes()
    folder = CACHE / f"okx_api_sdk-{hashlib.sha256(lock).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Several test processes come here at once; one installs, the others wait for it.
    with (CACHE / "okx_api_sdk.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            _install(npm, folder)
        shutil.copy(PROJECT / "run.mjs", folder)
    return folder


def _install(npm: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROJECT / name, folder)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
    (folder / "installed").touch()


@pytest.fixture(scope="module")
def result(installed: Path, start_paper_exchange: Any) -> dict[str, Any]:
    venue: PaperServer = start_paper_exchange(feed="walk")
    account = venue.account()
    done = subprocess.run(
        ["node", "run.mjs", venue.url, account.api_key, account.secret_key, account.passphrase],
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def test_the_sdk_reads_the_market(result: dict[str, Any]) -> None:
    assert {"BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USD-SWAP"} <= set(result["instruments"])
    assert len(result["book"]["asks"]) == len(result["book"]["bids"]) == 5
    assert float(result["last"]) > 0
    assert result["balance"] == ["USDT"]
    assert (result["config"], result["leverage"]) == ("net_mode", "5")


def test_the_sdk_places_amends_cancels_and_queries(result: dict[str, Any]) -> None:
    assert result["placed"]["sCode"] == "0"
    assert result["details"]["state"] == "filled"
    assert result["details"]["accFillSz"] == "2"
    assert sum(float(fill["fillSz"]) for fill in result["fills"]) == 2
    assert [row["pos"] for row in result["positions"]] == ["2"]
    assert result["amended"]["sCode"] == "0"
    assert [(row["clOrdId"], row["sz"]) for row in result["open"]] == [("sdk2", "3")]
    assert result["canceled"]["sCode"] == "0"
    assert result["several"] == result["severalCanceled"] == ["0", "0"]
    assert result["closed"]["instId"] == "BTC-USDT-SWAP"
    assert result["pendingAtTheEnd"] == 0


def test_the_sdk_sees_a_refusal_as_the_venue_words_it(result: dict[str, Any]) -> None:
    assert result["refused"]["code"] == "1"
    assert result["refused"]["data"][0]["sCode"] != "0"


def test_the_sdk_orders_over_a_websocket(result: dict[str, Any]) -> None:
    assert result["overSocket"]["sCode"] == "0"
    assert result["overSocketCanceled"]["sCode"] == "0"


def test_the_sdk_streams_market_and_account(result: dict[str, Any]) -> None:
    assert "exception" not in result
    assert all(count > 0 for count in result["seen"].values()), result["seen"]


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (PROJECT / "package-lock.json").read_text()
