"""TOML → frozen, typed `Config`, once; every mistake is named with its place."""

from appliance.config.callout import CalloutSettings
from appliance.config.learning import ModesSettings, SensorsSettings
from appliance.config.load import ConfigError, check_text, load_config
from appliance.config.model import (
    AlarmSettings,
    AssetSettings,
    Config,
    InferenceSettings,
    MetricsSettings,
    QuantitiesSettings,
    RoleSettings,
    SeveritySettings,
    SiteSettings,
    StorageSettings,
    UpdatesSettings,
    UplinkSettings,
)
from appliance.config.problem import Problem
from appliance.config.safety import (
    ElementSettings,
    InitiatorSettings,
    MaintenanceSettings,
    PermissiveSettings,
    SafetySettings,
)

__all__ = [
    "AlarmSettings",
    "AssetSettings",
    "CalloutSettings",
    "Config",
    "ConfigError",
    "ElementSettings",
    "InferenceSettings",
    "InitiatorSettings",
    "MaintenanceSettings",
    "MetricsSettings",
    "ModesSettings",
    "PermissiveSettings",
    "Problem",
    "QuantitiesSettings",
    "RoleSettings",
    "SafetySettings",
    "SensorsSettings",
    "SeveritySettings",
    "SiteSettings",
    "StorageSettings",
    "UpdatesSettings",
    "UplinkSettings",
    "check_text",
    "load_config",
]
