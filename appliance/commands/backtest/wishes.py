"""What the user asks of a backtest: rows to learn from, windows, tags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.commands.backtest.export import Export, ExportError
from appliance.commands.backtest.judging import Share
from appliance.commands.common import configuration
from appliance.commands.exits import EXIT_USAGE, CommandError
from appliance.domain.tag import asset_of
from appliance.inference.causal import CausalSettings
from appliance.runtime.durations import DurationError, seconds

if TYPE_CHECKING:
    import argparse

    from appliance.config import AssetSettings, Config


@dataclass(frozen=True, slots=True)
class Wishes:
    """`tags` are the configured names to look for in an export; none: all columns."""

    share: Share
    settings: CausalSettings
    ignore: tuple[str, ...] = ()
    asset: str = ""
    tags: tuple[str, ...] = ()
    report: bool = False

    def chosen(self, export: Export) -> Export:
        """Return the export with the columns of the configured asset alone.

        A column is a tag's by its whole name or by the name without the asset.

        Raises:
            ExportError: None of them is there.
        """
        if not self.tags:
            return export
        wanted = {*self.tags, *(tag.partition("/")[2] for tag in self.tags)}
        at = [i for i, name in enumerate(export.names) if name in wanted]
        if not at:
            raise ExportError(
                f"{export.path}: no column is a tag of {self.asset}; columns: "
                f"{', '.join(export.names[:8])}; tags: {', '.join(self.tags[:8])}"
            )
        others = {
            name: f"no tag of {self.asset}"
            for name in export.names if name not in wanted
        }  # fmt: skip
        return replace(
            export,
            names=tuple(export.names[i] for i in at),
            values=np.ascontiguousarray(export.values[:, at]),
            ignored={**export.ignored, **others},
        )


def wishes_of(args: argparse.Namespace) -> Wishes:
    """Return what the arguments and, if given, the configuration ask for.

    Raises:
        CommandError: They do not fit together.
    """
    if args.train_rows is None and args.train_fraction is None:
        raise CommandError(
            "which rows are known to be healthy? give --train-rows N "
            "or --train-fraction F",
            EXIT_USAGE,
        )
    if args.train_rows is not None and args.train_rows < 1:
        raise CommandError("--train-rows: at least 1", EXIT_USAGE)
    if args.train_fraction is not None and not 0.0 < args.train_fraction < 1.0:
        raise CommandError("--train-fraction: more than 0, less than 1", EXIT_USAGE)
    settings = CausalSettings()
    asset, tags = "", tuple[str, ...]()
    if args.config is not None:
        config = configuration(args.config)
        chosen = _asset(config, args.asset)
        settings, asset = _of_asset(chosen), chosen.id
        tags = _tags(config, chosen)
    elif args.asset is not None:
        raise CommandError("--asset: of which configuration? give --config", EXIT_USAGE)
    if args.window is not None:
        settings = replace(settings, window_s=_window_s(args.window))
    if args.false_alarms_per_week is not None:
        if not args.false_alarms_per_week > 0.0:
            raise CommandError("--false-alarms-per-week: more than 0", EXIT_USAGE)
        settings = replace(settings, false_alarms_per_week=args.false_alarms_per_week)
    settings = replace(
        settings,
        parts=tuple(dict.fromkeys(args.parts)) or settings.parts,
        features=tuple(dict.fromkeys(args.features)),
    )
    return Wishes(
        Share(args.train_rows, args.train_fraction), settings,
        tuple(args.ignore), asset, tags, args.report,
    )  # fmt: skip


def _window_s(text: str) -> float:
    try:
        window_s = seconds(text)
    except DurationError as error:
        raise CommandError(f"--window: {error}", EXIT_USAGE) from error
    if not window_s > 0.0:
        raise CommandError("--window: more than 0", EXIT_USAGE)
    return window_s


def _asset(config: Config, name: str | None) -> AssetSettings:
    known = ", ".join(asset.id for asset in config.assets) or "none"
    if name is None:
        if len(config.assets) == 1:
            return config.assets[0]
        raise CommandError(f"--asset: which one? configured: {known}", EXIT_USAGE)
    for asset in config.assets:
        if asset.id == name:
            return asset
    raise CommandError(f"no asset {name!r} is configured; known: {known}", EXIT_USAGE)


def _of_asset(asset: AssetSettings) -> CausalSettings:
    """Return the asset's own detection."""
    detection = asset.detection
    return CausalSettings(
        window_s=detection.window_s,
        on_delay_s=detection.on_delay_s,
        false_alarms_per_week=detection.false_alarms_per_week,
        parts=detection.parts,
    )


def _tags(config: Config, asset: AssetSettings) -> tuple[str, ...]:
    wanted = set(asset.detection.tags)
    apart = {asset.hour_meter, asset.waveform_tag}
    return tuple(
        tag.id
        for tag in config.measured_tags()
        if (tag.id in wanted if wanted else asset_of(tag.id) == asset.id)
        and tag.id not in apart
    )
