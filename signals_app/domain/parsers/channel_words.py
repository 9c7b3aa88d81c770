"""The vocabulary of trading channels, English and Chinese, and the text made ready to be read.

All patterns are for text that went through `tidy`: capitals, plain digits and punctuation, no
emoji. `\\b` is no word border between Chinese and Latin letters, so borders are spelled out.
"""

from __future__ import annotations

import re
import unicodedata

from signals_app.domain.symbol_aliases import plain_text

_LEFT, _RIGHT = r"(?<![A-Z0-9])", r"(?![A-Z0-9])"


def _words(english: str, chinese: str = "") -> re.Pattern[str]:
    latin = f"{_LEFT}(?:{english}){_RIGHT}"
    return re.compile(f"{latin}|{chinese}" if chinese else latin)


LONG = _words(
    "LONGS?|BUY|BUYING",
    "做多|开多|多单|看多|买入|买多|追多|短多|接多|多头|(?<![一-鿿])多(?![一-鿿])",
)
SHORT = _words(
    "SHORTS?|SELL|SELLING", "做空|开空|空单|看空|卖空|卖出|追空|短空|空头|(?<![一-鿿])空(?![一-鿿])"
)
SELL_ONLY = _words("SELL|SELLING", "卖出")
EXIT = _words(
    "CLOSE|CLOSED|CLOSING|EXIT|EXITED", "平多|平空|平仓|全平|平掉|清仓|出局|离场|平(?=[一-鿿]?半)"
)
EXIT_LONG = re.compile("平多")
EXIT_SHORT = re.compile("平空")
REDUCE = _words("REDUCE|TRIM|PARTIAL(?:LY)?", "减仓|减半")
INCREASE = _words("ADD|ADDING|ADD TO", "加仓|补仓")
FLIP = _words("FLIP(?: TO)?|REVERSE(?: TO)?", "反手")
MARKET = _words("MARKET|NOW|CMP|MKT", "市价|现价|直接进")
CANCEL = _words("CANCEL|CANCELLED|CANCELED|IGNORE|SKIP", "撤单|取消|作废")
AMENDMENT = re.compile(
    rf"{_LEFT}(?:MOVE|SET|TRAIL|RAISE|UPDATE|CHANGE)(?: (?:YOUR|THE|UP))? (?:SL|STOP|TP|TARGET)"
    rf"|(?:SL|STOP(?:[ -]?LOSS)?) TO (?:BE|B/E|ENTRY|BREAK)|BREAK[ -]?EVEN"
    "|移动止损|止损(?:上|下)?移|推保本|保本"
)
REPORT = re.compile(
    rf"{_LEFT}(?:HIT|REACHED|ACHIEVED|SMASHED|DONE|COMPLETED|STOPPED OUT|FILLED|BOOKED|PROFITS?:"
    rf"|IN PROFIT|LIQUIDATED|REKT|SQUEEZE[DS]?){_RIGHT}"
    "|已?达到|到达|已到|命中|已止盈|已止损|恭喜|浮盈|盈利|爆仓"
)
_DOING = (
    "LONG(?:S|ING)?|SHORT(?:S|ING)?|BUY(?:ING)?|SELL(?:ING)?|CLOS(?:E|ED|ING)|EXIT(?:ED|ING)?"
    "|ENTER(?:ING)?|OPEN(?:ING)?|ADD(?:ING)?|REDUCE|FLIP|REVERSE"
)
_CHINESE_DOING = (
    "做多|开多|做空|开空|看多|看空|买入|卖出|追多|追空|接多|平多|平空|平仓|全平|清仓|出局|离场|减仓"
    "|加仓|补仓|反手|进场|入场|开仓"
)
NOT_NOW = re.compile(
    rf"{_LEFT}(?:(?:DON['’]?T|DO NOT|NEVER|NOT|AVOID|WON['’]?T|ISN['’]?T|CAN['’]?T)"
    rf"(?: [A-Z]+){{0,2}}|NO) (?:{_DOING}){_RIGHT}"
    rf"|{_LEFT}(?:IF|WHEN|ONCE|UNLESS|UNTIL|WAIT(?:ING)?(?: FOR)?)(?![A-Z])[^\n.!?;]{{1,40}}? "
    rf"(?:{_DOING}){_RIGHT}"
    rf"|{_LEFT}(?:{_DOING})(?: IT| ALL| HALF| ONLY| THE REST)? (?:IF|WHEN|ONCE|UNLESS){_RIGHT}"
    "|(?:不要|不能|不宜|不建议|不考虑|切勿|请勿|勿|别|暂不|先不|没有?|未|不)"
    f"(?:再|急着|急于|轻易|去|着急|着|要)?(?:{_CHINESE_DOING})"
    f"|(?:如果|假如|若是?|一旦|等待?)[^\n,;。!?]{{1,20}}?(?:再|就|可以?|才)(?:{_CHINESE_DOING})"
)
"""Not to be done, or not yet."""
HALF = re.compile(rf"{_LEFT}HALF{_RIGHT}|一半|半仓|减半")
PARTS = re.compile(r"(?<![\d/])([1-9])/([2-9])(?![\d/])")
CHINESE_PARTS = re.compile("([二三四五])分之([一二三四])")
CHINESE_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5}
PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?) ?%")

LEVERAGE = re.compile(
    r"(?<![A-Z0-9.])(?P<low>\d{1,4}(?:\.\d+)?) ?(?:X|倍)? ?(?:-|/|TO) ?\d{1,4} ?(?:X|倍)"
    r"(?![A-Z0-9])"
    r"|(?<![A-Z0-9.])(?P<one>\d{1,4}(?:\.\d+)?) ?(?:X|倍)(?![A-Z0-9])"
    r"|(?<![A-Z0-9])X ?(?P<after>\d{1,3})(?![A-Z0-9.])"
)
LABELS = re.compile(
    r"(?P<entry>(?<![A-Z])(?:ENTR(?:Y|IES)|ENTER|BUY ZONE|BUY LIMIT|SELL LIMIT|SELL ZONE(?= *:))"
    r"(?: ?(?:ZONE|PRICES?|POINTS?|TARGETS?|RANGE|AREA|AT|LIMIT))?(?![A-Z])|@|(?<![A-Z])AT(?![A-Z])"
    r"|(?:入场|进场|开仓|挂单|买入|介入)(?:点位|点|位|价格|价|区间|区域)?|价格|附近)"
    r"|(?P<target>(?<![A-Z])(?:TAKE[ -]?PROFITS?|T/P|TPS?|TARGETS?|TGTS?|GOALS?|SELL TARGETS?)"
    r"(?![A-Z])|(?:第?[一二三四五六]?(?:止盈|目标)(?:点位|位|价)?[一二三四五六]?)|止赢)"
    r"|(?P<stop>(?<![A-Z])(?:STOP[ -]?LOSS(?:ES)?|S/L|SL|STOPS?|INVALIDATION)(?![A-Z])"
    r"|止损(?:点位|位|价)?|止蚀|防守(?:位)?)"
    r"|(?P<leverage>(?<![A-Z])LEV(?:ERAGE)?(?![A-Z])|杠杆(?:倍数)?)"
    r"|(?P<size>(?<![A-Z])(?:POSITION SIZE|SIZE|MARGIN)(?![A-Z])|仓位|资金)"
)
PRICED = re.compile(
    r"(?:(?<![A-Z])(?:ENTRY|ENTRIES|SL|STOP[ -]?LOSS|TPS?|TAKE[ -]?PROFITS?|TARGETS?)(?![A-Z])"
    r"|入场|进场|止损|止盈|目标)\D{0,20}\d"
)
"""Somebody names prices to trade at, whether or not he says in which direction."""
STOPPED_AT = re.compile(r"(?:(?<![A-Z])(?:SL|S/L|STOP[ -]?LOSS)(?![A-Z])|止损)\D{0,12}\d")
AIMS_AT = re.compile(
    r"(?:(?<![A-Z])(?:ENTRY|ENTRIES|TPS?|TAKE[ -]?PROFITS?|TARGETS?)(?![A-Z])|入场|进场|止盈|目标)"
    r"\D{0,12}\d"
)
"""With a stop beside it, a whole plan: what it says of closing is for later."""
INDEX = re.compile(r" ?[#(]?[1-9](?![\d.,KM万W千%])\)?(?=[\s):.=-]+\$?\.?\d|[:)=])")
"""Which target it is, after its label: the 1 of `TP1 66000` and of `Target 1: 66000`."""
ENUMERATOR = re.compile(r"(?<![\d.,$])[1-9](?:[):]|\.(?= ))(?= *\$?\d)")
NUMBER = re.compile(
    r"\$?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:\.\d+)?|\.\d+)"
    r" ?(?P<unit>K(?![A-Z])|W(?![A-Z])|万|千)?(?P<percent> ?%)?"
)
UNITS = {"K": 1_000, "千": 1_000, "W": 10_000, "万": 10_000}

NAMES = {
    "比特币": "BTC", "大饼": "BTC", "以太坊": "ETH", "姨太": "ETH", "二饼": "ETH", "以太": "ETH",
    "狗狗币": "DOGE", "莱特币": "LTC", "瑞波币": "XRP", "索拉纳": "SOL",
}  # fmt: skip
_QUOTES = "USDT|USDC|FDUSD|BUSD|USD"
PAIR = re.compile(
    rf"{_LEFT}(?:[A-Z]{{3,12}}:)?#?(?=[A-Z0-9]*[A-Z])[A-Z0-9]{{1,15}}"
    rf"(?: ?[/_-] ?(?:{_QUOTES})|(?:{_QUOTES}))M?"
    rf"(?::(?:{_QUOTES}|[A-Z]{{3,5}}))?(?:\.PS?|[-_ ]?PERP(?:ETUAL)?|[-_ ]SWAP)?{_RIGHT}"
)
TAG = re.compile(r"[#$](?=[A-Z0-9]*[A-Z])[A-Z0-9]{1,20}(?:\.P)?(?![A-Z0-9])")
WORD = re.compile(rf"{_LEFT}(?=[A-Z0-9]*[A-Z])[A-Z0-9]{{1,15}}{_RIGHT}")
MULTIPLIED = re.compile(r"10{3,6}([A-Z][A-Z0-9]*)")
NEVER_SYMBOLS = frozenset(
    "LONG SHORT BUY SELL ENTRY TP SL STOP LOSS TAKE PROFIT TARGET TARGETS LEV LEVERAGE CROSS X "
    "USDT USDC USD BUSD FDUSD DAI ISOLATED MARKET LIMIT NOW CMP CLOSE EXIT ALL HALF PERP SWAP "
    "FUTURES SPOT SIGNAL VIP RISK RR SCALP SWING UPDATE NEW DCA ZONE PRICE AT TO K M W".split()
)
COMMON_WORDS = frozenset(
    "A AI ACE AND ARE AT AUCTION B BAN BAND BE BOND BUZZ CAKE CAT CHESS CITY CORE COW D DENT "
    "DO DOG DUCK E F FIGHT FIRE FLOW FLUX FOR FORM FORTH FUN G GAME GAS GO GOAL GOLD H HIGH "
    "HOLD HOME HOOK HOT I ICE ID IN IP IS J JUST KEY L LINK LIT LOOM MAGIC MAJOR MASK MAX ME "
    "MEME MIRA MOVE MY N NEAR NEO NOT O OF OM ON ONE OP OPEN ORDER OUT P PEOPLE PLAY POLL "
    "POND POWER PRIME PUMP Q R RARE RAY REAL REQ S SAFE SAND SOON SPACE SPELL STEP SUN SUPER "
    "SWEAT T THE TIME TOKEN TOP TREE TRUE TRUST TURBO U UP USUAL V VIRTUAL WAVES WE WIN WING "
    "Y YOU Z ZERO ZONE".split()
)
"""Coins that are words as well: alone they are only taken beside the direction."""

_LABEL_EMOJI = re.compile("[0-9#*]️?⃣|[①-⓿❶-➓]")
_NOISE = tuple(
    re.compile(pattern)
    for pattern in (
        r"HTTPS?://\S+|(?<!\S)@[A-Z_]\w{2,}|WWW\.\S+",
        r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{1,2}/\d{1,2}/\d{4}|\d{1,2}月\d{1,2}日",
        r"(?<![\d.])\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?(?: ?(?:AM|PM))?"
        r"(?: ?(?:UTC|GMT|CST|EST|Z)(?:[+-]\d{1,2})?)?(?![\d.])",
        r"(?:SIGNAL|TRADE|CALL|NO|信号|第)\.? ?(?:ID|NO)?\.?:? ?#? ?\d{1,6}(?![\d.,KM万])(?: ?单)?",
        r"#\d{1,6}(?![\dA-Z.,])",
        r"(?<![A-Z])(?:R ?[:/] ?R|RRR?|RISK ?[/:-]? ?REWARD|盈亏比)(?: RATIO)? ?[:=]? ?"
        r"\d+(?:\.\d+)?(?: ?[:/] ?\d+(?:\.\d+)?)?",
        r"(?:RISK|ROI|ROE|PNL|WIN ?RATE|ACCURACY|风险|胜率|收益率?) ?[:=]? ?"
        r"[+-]?\d+(?:\.\d+)? ?%?(?:-\d+ ?%)?",
        r"(?:DAILY|WEEKLY|HOURLY|CANDLE|BAR|\d{1,2} ?[HMDW]|[HMD]\d{1,2}) (?:CANDLE )?CLOSES?"
        r"|CLOS(?:ES?|ED|ING) (?:ABOVE|BELOW|OVER|UNDER|IN ON|NEAR|GREEN|RED|TO"
        r"|(?:OUT )?THE (?:DAY|WEEK|MONTH|YEAR|HOUR|CANDLE|BAR|SESSION|GAP))(?![A-Z])"
        r"|MARKETS?(?: IS| ARE)? CLOS(?:ED|ING)|收盘|收线",
        r"EXIT (?:LIQUIDITY|SCAM|PUMP|POLLS?)|(?:BUY|SELL) ?WALLS?|(?:LONG|SHORT) SQUEEZES?"
        r"|(?:LONG|SHORT)S? (?:WERE |ARE |GOT |GETTING )?(?:LIQUIDATED|REKT|TRAPPED|SQUEEZED)",
        r"(?:LONG|SHORT|MID|MEDIUM)[- ]TERM|短线|中线|长线|波段",
        r"(?:(?:TIME ?FRAME|TF|INTERVAL|周期) ?[:=]? ?)?(?<![A-Z0-9.,$])\d{1,3} ?"
        r"(?:MINUTES?|MINS?|HOURS?|HRS?|DAYS?|WEEKS?|[MHD](?![A-Z0-9])|小时|分钟|天|日线)",
        r"[+-]\d+(?:\.\d+)? ?%",
    )
)


def tidy(text: str) -> str:
    """Capitals, plain digits and punctuation; dashes and tildes as hyphens; emoji as spaces."""
    text = plain_text(_LABEL_EMOJI.sub(" ", text).replace("，", ", "))
    text = re.sub(r"[‐-―−~〜～∼→➡➜]|->|至|到(?=\d)", "-", text)
    text = re.sub(r"[、;。](?!\d)|[、;]", ", ", text).replace("×", "X")
    kept = [
        " " if letter != "\n" and unicodedata.category(letter) in _DROPPED else letter
        for letter in text.upper()
    ]
    return re.sub(r"[^\S\n]+", " ", "".join(kept))


_DROPPED = frozenset({"So", "Cs", "Co", "Cn", "Cf", "Cc", "Mn", "Me", "Sk"})


def without_noise(text: str) -> str:
    """Without what has numbers or direction words and says neither price nor direction."""
    for pattern in _NOISE:
        text = pattern.sub(" ", text)
    return text
