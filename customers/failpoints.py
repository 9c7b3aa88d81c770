"""Named places at which a test may let this process die, as `kill -9` would let it die there.

    FAILPOINTS="orders.marked_sending=0.02 chunk.committed=#3 *=0.001"
    FAILPOINTS_SEED=7

A chance at each pass, or the third pass; the first rule whose pattern matches decides.

Unarmed, a failpoint is one look at an empty dictionary. Only settings with FAILPOINTS_ALLOWED
take the variable at all; with any others the process refuses to start.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

from django.core.exceptions import ImproperlyConfigured

EXIT_CODE = 77
MARK = "failpoint reached:"
"""Written to stderr before the process ends; chaos runs count these lines."""


@dataclass
class _Rule:
    pattern: str
    probability: float
    nth_pass: int
    """0: by chance instead."""
    passes: int = 0


_rules: list[_Rule] = []
_seed = ""
_random: Random | None = None
_random_pid = 0


def failpoint(name: str) -> None:
    """Does nothing, or ends the process here without any clean-up."""
    if _rules:
        _pass(name)


def arm(rules: str, *, seed: str = "", allowed: bool) -> None:
    """Take the rules of the environment. Raises ImproperlyConfigured where they have no place."""
    global _rules, _seed, _random
    if rules.strip() and not allowed:
        raise ImproperlyConfigured(
            "FAILPOINTS is set, which ends processes at random; these settings do not allow it."
        )
    _rules = [_parsed(rule) for rule in rules.split()]
    _seed, _random = seed, None


def _parsed(rule: str) -> _Rule:
    pattern, _, when = rule.partition("=")
    try:
        if when.startswith("#"):
            return _Rule(pattern, 0, int(when[1:]))
        return _Rule(pattern, float(when), 0)
    except ValueError as error:
        raise ImproperlyConfigured(f"{rule!r} is no failpoint: name=0.01 or name=#3") from error


def _pass(name: str) -> None:
    for rule in _rules:
        if not fnmatchcase(name, rule.pattern):
            continue
        rule.passes += 1
        if rule.passes == rule.nth_pass or _chance() < rule.probability:
            # Past all buffers and handlers: nothing of this process runs after this line.
            os.write(2, f"{MARK} {name}\n".encode())
            os._exit(EXIT_CODE)
        return


def _chance() -> float:
    """Of a series of its own in each process: forked ones would all die at the same place."""
    global _random, _random_pid
    if _random is None or _random_pid != os.getpid():
        _random, _random_pid = Random(f"{_seed}:{os.getpid()}"), os.getpid()  # noqa: S311
    return _random.random()
