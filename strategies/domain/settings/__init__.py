"""Copy settings: what may be set, how levels are merged, what contradicts itself. Pure.

`CopySettings` names every setting once, with its unit, limits and rule of merging
(docs/copy_settings.md maps them to what clients know from elsewhere). A level (platform, tenant,
strategy, customer, account, subscription) states some of them, and may state others for single
symbols; `effective_settings` merges them and says where each value came from.
"""

from strategies.domain.settings.checking import (
    SettingProblem,
    SettingProblemCode,
    contradictions,
    without_effect,
)
from strategies.domain.settings.effects import Difference, Effect, differences, effects
from strategies.domain.settings.fields import (
    DEFAULTS,
    SPECS,
    CopySettings,
    Execution,
    ExistingPositions,
    Kind,
    LeaderEvent,
    LeverageMode,
    MarginModeSetting,
    Merge,
    OnMinimum,
    OnStop,
    SettingSpec,
    StopsMode,
    TradeDirection,
    TransferOut,
)
from strategies.domain.settings.merging import (
    Effective,
    Layer,
    Level,
    Merged,
    Origin,
    effective_settings,
    merged,
)
from strategies.domain.settings.reading import (
    layer_from_json,
    layer_problems,
    read_value,
    settings_to_json,
    value_to_json,
)
from strategies.domain.settings.sizing_terms import sizing_terms
from strategies.domain.sizing import DynamicSizing

__all__ = [
    "DEFAULTS",
    "SPECS",
    "CopySettings",
    "Difference",
    "DynamicSizing",
    "Effect",
    "Effective",
    "Execution",
    "ExistingPositions",
    "Kind",
    "Layer",
    "LeaderEvent",
    "Level",
    "LeverageMode",
    "MarginModeSetting",
    "Merge",
    "Merged",
    "OnMinimum",
    "OnStop",
    "Origin",
    "SettingProblem",
    "SettingProblemCode",
    "SettingSpec",
    "StopsMode",
    "TradeDirection",
    "TransferOut",
    "contradictions",
    "differences",
    "effective_settings",
    "effects",
    "layer_from_json",
    "layer_problems",
    "merged",
    "read_value",
    "settings_to_json",
    "sizing_terms",
    "value_to_json",
    "without_effect",
]
