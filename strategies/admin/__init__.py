"""Strategies, who follows them, and the copy settings of every level."""

from strategies.admin import copies, settings

__all__ = ["copies", "settings"]
