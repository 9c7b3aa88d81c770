"""What Celery lost sight of in a worker's pool is listened to again, and what ended is replaced.

With real processes and a broker that goes away: test_outages.py.
"""

from __future__ import annotations

from types import SimpleNamespace

from config.pool_upkeep import pool_tidy


class Pool:
    """As far as the upkeep looks: one process ended and was not seen to, one is well."""

    def __init__(self) -> None:
        self.lost_sight_of = SimpleNamespace(_sentinel_poll=None)
        self._pool = [SimpleNamespace(_sentinel_poll=7), self.lost_sight_of, SimpleNamespace()]
        self.maintained = 0

    def maintain_pool(self) -> None:
        self.maintained += 1


def test_a_process_that_is_not_listened_to_will_be() -> None:
    pool = Pool()
    pool_tidy(pool)
    assert pool.maintained == 1
    assert not hasattr(
        pool.lost_sight_of, "_sentinel_poll"
    )  # Celery listens to it at its next start
    assert pool._pool[0]._sentinel_poll == 7
