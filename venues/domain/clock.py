"""What a venue's clock is worth to us, from the time it took to ask for it. Pure.

A question and its answer enclose the moment at which the venue read its clock, so half the round
trip is the most by which a reading can be wrong (as NTP has it). Readings are tied to the
monotonic clock: a wall clock that somebody sets does not move the venue's time.
"""

from __future__ import annotations

from dataclasses import dataclass

DRIFT = 0.0002
"""Seconds per second that two clocks may part: 200 ppm, several times a bad crystal."""
RESOLUTION_MS = 1.0
PLAUSIBLE_MS = 24 * 3600 * 1000.0
"""A venue that is a day off has not told its time but something else."""

ALERT_MS = 250.0
BLOCK_MS = 500.0


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The venue said `venue_ms` at the middle of a round trip; `error_ms` is half of that.

    `monotonic` and `wall` are our clocks at that middle, in seconds.
    """

    venue_ms: float
    monotonic: float
    wall: float
    error_ms: float

    def venue_ms_at(self, monotonic: float) -> float:
        return self.venue_ms + (monotonic - self.monotonic) * 1000

    def uncertainty_ms(self, monotonic: float, wall: float) -> float:
        """The most by which `venue_ms_at` may be wrong.

        When our two clocks have parted, one was set or the machine slept: which of them is right
        is not known.
        """
        parted = abs((wall - self.wall) - (monotonic - self.monotonic)) * 1000
        return self.error_ms + abs(monotonic - self.monotonic) * DRIFT * 1000 + parted

    @property
    def skew_ms(self) -> float:
        """The venue's clock minus ours; positive when ours is behind."""
        return self.venue_ms - self.wall * 1000


def reading_of(
    *, venue_ms: float, sent: float, received: float, wall_received: float
) -> ClockReading | None:
    """From the monotonic times of question and answer; None when it cannot be a time."""
    half = (received - sent) / 2
    reading = ClockReading(venue_ms, sent + half, wall_received - half, half * 1000 + RESOLUTION_MS)
    return reading if abs(reading.skew_ms) <= PLAUSIBLE_MS else None


def better_reading(
    old: ClockReading | None, new: ClockReading, *, monotonic: float, wall: float
) -> ClockReading:
    """The one to go by: the narrower, unless they contradict each other; then the newer."""
    if old is None:
        return new
    old_error = old.uncertainty_ms(monotonic, wall)
    apart = abs(old.venue_ms_at(monotonic) - new.venue_ms_at(monotonic))
    if apart > old_error + new.uncertainty_ms(monotonic, wall):
        return new
    return old if old_error < new.uncertainty_ms(monotonic, wall) else new
