"""How large a follower's entry is: docs/sizing.md has the formulas with worked examples. Pure."""

from strategies.domain.sizing.leader import LeaderSize
from strategies.domain.sizing.modes import (
    DynamicSizing,
    MissingFact,
    SizeBasis,
    SizingError,
    SizingMode,
)
from strategies.domain.sizing.quantity import (
    FollowerTerms,
    entry_quantity,
    reduction_quantity,
)
from strategies.domain.sizing.scaling import ScalingFacts, scaled_by

__all__ = [
    "DynamicSizing",
    "FollowerTerms",
    "LeaderSize",
    "MissingFact",
    "ScalingFacts",
    "SizeBasis",
    "SizingError",
    "SizingMode",
    "entry_quantity",
    "reduction_quantity",
    "scaled_by",
]
