"""`buiqa scenarios`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from restorers import Restorer


@click.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print all facts as JSON.")
@click.option("--no-cost", is_flag=True, help="Do not measure how long restorers take here.")
def command(names: tuple[str, ...], as_json: bool, no_cost: bool) -> None:
    """List the scenarios NAMES, any that can be labelled, such as burst:FILE; by default the built-in ones and those of installed packages.

    The cost is that of one restoration of a small burst on this machine, in seconds per megapixel of frames.
    """
    from dataset_builder.cli.console import print_warnings
    from restorers import create, list_scenarios
    from restorers.containment import contain_exits, describe_error
    from restorers.errors import MissingExtraError, RestorerError

    print_warnings()
    facts: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    for name in names:
        with contain_exits(name):
            facts[name] = _describe(create(name), no_cost=no_cost)
    for name, spec in () if names else list_scenarios().items():
        try:
            with contain_exits(spec.target):
                facts[name] = _describe(create(name), no_cost=no_cost)
        except MissingExtraError as error:
            missing[name] = str(error)
        except Exception as error:  # noqa: BLE001  # whatever an installed package raises costs its own line only
            reason = str(error) if isinstance(error, RestorerError) else describe_error(error)
            broken[name] = f"{spec.target} cannot be used: {' '.join(reason.split())}; mend or uninstall its package"
            say(f"warning: {name}: {broken[name]}", err=True)
    if as_json:
        unavailable = {name: {"unavailable": reason} for name, reason in (missing | broken).items()}
        say(json.dumps(facts | unavailable, indent=2))
        return
    for name, fact in facts.items():
        say(_format(name, fact))
    if names:
        return
    for name, reason in missing.items():
        say(f"not installed: {name}: {reason}")
    say(
        "Your own: buiqa label DIR --scenario module:attr, burst:FILE, onnx:FILE, torchscript:FILE, pt2:FILE, spandrel:FILE"
    )
    say("or basicsr:ARCH?weights=FILE; see docs/restorers.md")


def _describe(restorer: Restorer, *, no_cost: bool) -> dict[str, Any]:
    from restorers.trial import measure_cost

    info = asdict(restorer.info)
    return {
        "protocol": next(kind for kind, method in _PROTOCOLS if hasattr(restorer, method)),
        **info,
        "input_domains": sorted(info["input_domains"]),
        "output_domain": info["output_domain"] or "as the burst, linear",
        "seconds_per_megapixel_frame": None if no_cost else round(measure_cost(restorer), 4),
    }


def _format(name: str, fact: dict[str, Any]) -> str:
    longest = fact["max_frames"] or "any"
    frames = f"{fact['min_frames']}" if longest == fact["min_frames"] else f"{fact['min_frames']} to {longest}"
    scale = f" ×{fact['scale']:g}" if fact["scale"] != 1 else ""
    cost = fact["seconds_per_megapixel_frame"]
    facts = (
        fact["protocol"],
        f"{frames} frame{'' if frames == '1' else 's'}, missing: {fact['missing_frames']}",
        f"{', '.join(fact['input_domains'])} -> {fact['output_domain']}{scale}",
        f"code {fact['license']}" + (f", weights {fact['weights_license']}" if fact["weights_license"] else ""),
        "deterministic" if fact["deterministic"] else "not deterministic",
        fact["device"],
        "" if cost is None else f"{cost:.2g} s per megapixel-frame",
    )
    lines = (f"{name:24}{fact['summary']}", fact["paper"], fact["network_input"], " | ".join(filter(None, facts)))
    return "\n    ".join(filter(None, lines))


_PROTOCOLS = (("LinearMerge", "contributions"), ("SubsetRestorer", "prepare"), ("Restorer", "restore"))
