"""Where signals come from, what came, and what was refused. The signal's own page is trading's,
because it shows what became of it."""

from signals_app.admin import deliveries, leaders, sources

__all__ = ["deliveries", "leaders", "sources"]
