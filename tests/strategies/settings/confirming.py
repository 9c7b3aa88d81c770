"""Storing settings by a page as a person does: what it says is read, and then confirmed."""

import re
from typing import Any

from django.test import Client

_SHOWN = re.compile(r'name="confirmed" value="(\w+)"')


def store(browser: Client, url: str, typed: dict[str, str]) -> Any:
    found = _SHOWN.search(browser.post(url, typed).content.decode())
    confirmed = {"confirmed": found[1]} if found else {}
    return browser.post(url, {**typed, **confirmed}, follow=True)
