from tests.trading.conftest import world

__all__ = ["world"]
