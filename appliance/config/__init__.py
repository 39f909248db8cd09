"""TOML → frozen, typed `Config`, once; every mistake is named with its place."""

from appliance.config.alarms import AlarmSettings
from appliance.config.assets import AssetSettings, QuantitiesSettings, SeveritySettings
from appliance.config.callout import CalloutSettings
from appliance.config.learning import ModesSettings, SensorsSettings
from appliance.config.load import ConfigError, check_text, load_config
from appliance.config.model import (
    Config,
    InferenceSettings,
    MetricsSettings,
    RoleSettings,
    SiteSettings,
    StorageSettings,
    UpdatesSettings,
)
from appliance.config.problem import Problem
from appliance.config.safety import (
    ElementSettings,
    InitiatorSettings,
    MaintenanceSettings,
    PermissiveSettings,
    SafetySettings,
)
from appliance.config.uplink import UplinkSettings

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
