"""Who takes part in the demo: firms, strategies, and the settings of every follower.

Pure and the same at each run, so that seeding again changes nothing.
"""

from dataclasses import dataclass
from decimal import Decimal

FOLLOWERS = 60
WRONG_PASSPHRASE = 17
TOO_LITTLE_BALANCE = 43
SWING_FOLLOWERS = 20
DESK_FOLLOWERS = 10
HARBOUR_FOLLOWERS = 4

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
SOL, DOGE = "SOL/USDT:USDT", "DOGE/USDT:USDT"

LEADER_EQUITY = Decimal(100_000)

_BALANCES = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000)
_FIRST_NAMES = (
    *("Ada", "Bruno", "Chen", "Dora", "Emil", "Fatima", "Goran", "Hana", "Ivo", "Jun"),
    *("Kira", "Luis", "Mei", "Nils", "Olga", "Pavel", "Qing", "Rosa", "Sami", "Tara"),
)
_LAST_NAMES = ("Alder", "Brook")


@dataclass(frozen=True, slots=True)
class Firm:
    slug: str
    name: str
    operator: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class DemoStrategy:
    """A strategy and the symbols that its leader trades: (symbol, coins of a first entry).

    `account_label`: the leader trades on an account of the exchange with this name and posts
    nothing; Tandem hears it there. `by_hand`: there is no leader, the operator sends its signals.
    """

    firm: str
    name: str
    source: str
    entries: tuple[tuple[str, Decimal], ...]
    leverage: Decimal
    max_leverage: Decimal
    every_seconds: float
    account_label: str = ""
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Follower:
    """One account with its owner and copy settings."""

    number: int
    firm: str
    reference: str
    customer: str
    balance: Decimal
    sizing_mode: str
    fixed_amount: Decimal | None
    ratio: Decimal
    position_mode: str
    margin_mode: str
    account_max_leverage: Decimal | None
    max_leverage: Decimal | None
    follows: tuple[str, ...]
    wrong_passphrase: bool = False

    @property
    def label(self) -> str:
        return f"Paper {self.number:02d}"


AURORA = Firm("aurora", "Aurora Copy Desk", "operator@aurora.example")
HARBOUR = Firm("harbour", "Blue Harbour Trading", "operator@harbour.example", "zh-hans")
FIRMS = (AURORA, HARBOUR)

MAJORS = DemoStrategy(
    firm=AURORA.slug,
    name="Majors momentum",
    source="Majors leader",
    entries=((BTC, Decimal("0.2")), (ETH, Decimal(3))),
    leverage=Decimal(5),
    max_leverage=Decimal(10),
    every_seconds=4,
)
SWING = DemoStrategy(
    firm=AURORA.slug,
    name="Altcoin swing",
    source="Swing leader",
    entries=((SOL, Decimal(60)), (DOGE, Decimal(50_000))),
    leverage=Decimal(3),
    max_leverage=Decimal(5),
    every_seconds=7,
)
QUIET = DemoStrategy(
    firm=HARBOUR.slug,
    name="Quiet bitcoin",
    source="Quiet leader",
    entries=((BTC, Decimal("0.1")),),
    leverage=Decimal(2),
    max_leverage=Decimal(3),
    every_seconds=15,
    account_label="Leader of Quiet bitcoin",
)
STRATEGIES = (MAJORS, SWING, QUIET)
DESK = DemoStrategy(
    firm=AURORA.slug,
    name="Desk calls",
    source="Trading desk",
    entries=((SOL, Decimal(60)), (DOGE, Decimal(50_000))),
    leverage=Decimal(2),
    max_leverage=Decimal(3),
    every_seconds=0,
    by_hand=True,
)

CLIENT_LOGINS = {
    # email: the customer reference that it may act for; the third one has a broken key
    "client@aurora.example": "A-001",
    "mei@aurora.example": "A-003",
    "worried@aurora.example": "A-009",
}
PARTNER = "Copper Road Partners"
PARTNER_CUSTOMERS = 10


def followers() -> tuple[Follower, ...]:
    aurora = tuple(_aurora_follower(number) for number in range(FOLLOWERS))
    harbour = tuple(_harbour_follower(FOLLOWERS + n) for n in range(HARBOUR_FOLLOWERS))
    return aurora + harbour


def _aurora_follower(number: int) -> Follower:
    # The first twenty customers have two accounts each, the next twenty one.
    customer = number // 2 if number < FOLLOWERS * 2 // 3 else number - FOLLOWERS // 3
    balance = Decimal(3 if number == TOO_LITTLE_BALANCE else _BALANCES[number % len(_BALANCES)])
    mode = ("equity_proportional", "fixed_amount", "leader_ratio")[number % 3]
    if number == TOO_LITTLE_BALANCE:
        mode = "equity_proportional"
    ratio = {
        "equity_proportional": Decimal((50, 100, 150, 200)[number % 4]) / 100,
        "fixed_amount": Decimal(1),
        "leader_ratio": max(balance / LEADER_EQUITY, Decimal("0.01")),
    }[mode]
    first, last = _FIRST_NAMES[customer % 20], _LAST_NAMES[customer // 20]
    return Follower(
        number=number,
        firm=AURORA.slug,
        reference=f"A-{customer + 1:03d}",
        customer=f"{first} {last}",
        balance=balance,
        sizing_mode=mode,
        fixed_amount=balance / 50 if mode == "fixed_amount" else None,
        ratio=ratio,
        position_mode="long_short" if number % 5 == 0 else "net",
        margin_mode="isolated" if number % 7 == 3 else "cross",
        account_max_leverage=Decimal(20) if number % 6 == 5 else None,
        max_leverage=Decimal(5) if number % 4 == 1 else None,
        follows=_followed_by(number),
        wrong_passphrase=number == WRONG_PASSPHRASE,
    )


def _followed_by(number: int) -> tuple[str, ...]:
    if number < SWING_FOLLOWERS:
        return (MAJORS.name, SWING.name)
    if number < SWING_FOLLOWERS + DESK_FOLLOWERS:
        return (MAJORS.name, DESK.name)
    return (MAJORS.name,)


def _harbour_follower(number: int) -> Follower:
    customer = number - FOLLOWERS
    return Follower(
        number=number,
        firm=HARBOUR.slug,
        reference=f"H-{customer + 1:03d}",
        customer=f"{_FIRST_NAMES[customer]} Cove",
        balance=Decimal(20_000),
        sizing_mode="equity_proportional",
        fixed_amount=None,
        ratio=Decimal(1),
        position_mode="net",
        margin_mode="cross",
        account_max_leverage=None,
        max_leverage=None,
        follows=(QUIET.name,),
    )
