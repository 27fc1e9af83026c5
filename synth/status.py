"""How far a render is: `python -m synth.status data/captures/gspr`. Only reads, so it may run at any time, anywhere."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from opengspr import UserError, command
from opengspr.files import holders
from synth.capture import Capture, open_capture

RECENT_S = 1800  # the speed is that of the last half hour


@dataclass(frozen=True)
class Status:
    """Say how far the rendering of a capture is, how fast it goes, and what was dropped."""

    capture: Positional[Path]
    """The folder that synth.render writes."""
    json: bool = False
    """As one line of JSON."""


def main(settings: Status) -> None:
    figures = status(open_capture(settings.capture))
    print(json.dumps(figures) if settings.json else "\n".join(_lines(figures)))


def status(capture: Capture) -> dict[str, Any]:
    """The figures of a capture: units and shots, planned and done; dropped by reason; shots_per_s of late; seconds_left
    at that speed (None when nothing goes on); cpu_s_per_shot; peak_mib of a worker; writers; tracebacks by log.
    """
    for key in ("units", "shots"):
        if not isinstance(capture.info.get(key), int):
            raise UserError(f"{capture.path / 'capture.json'}: {key} is {capture.info.get(key)!r}, wanted a number")
    done = {path.stem: path.stat().st_mtime for path in capture.units()}
    reports = [report for report in _reports(capture.path / "logs") if report["unit"] in done]
    dropped: Counter[str] = Counter()
    for report in reports:
        dropped.update(report["dropped"])
    shots = {report["unit"]: report["shots"] + sum(report["dropped"].values()) for report in reports}
    made = sum(shots.values())
    now = time.time()
    recent = [name for name, finished in done.items() if now - finished < RECENT_S]
    began = min((done[r["unit"]] - r["wall_s"] for r in reports if r["unit"] in recent), default=now)
    speed = sum(shots.get(name, 0) for name in recent) / max(now - max(began, now - RECENT_S), 1)
    writers = holders(capture.path)
    return {
        "capture": str(capture.path),
        "world": capture.info.get("world"),
        "units": len(done),
        "units_planned": capture.info["units"],
        "shots": made,
        "shots_planned": capture.info["shots"],
        "dropped": dict(dropped),
        "shots_per_s": round(speed, 3),
        "seconds_left": round((capture.info["shots"] - made) / speed) if speed and writers else None,
        "cpu_s_per_shot": round(sum(r["cpu_s"] for r in reports) / made, 3) if made else None,
        "peak_mib": max((r["peak_mib"] for r in reports), default=None),
        "writers": writers,
        "tracebacks": _tracebacks(capture.path / "logs"),
    }


def _reports(logs: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(logs.glob("[!.]*.json")):
        try:
            report = json.loads(path.read_bytes())
            assert isinstance(report["dropped"], dict) and path.stem == report["unit"]
            float(report["shots"] + report["cpu_s"] + report["wall_s"] + report["peak_mib"])
        except (OSError, ValueError, KeyError, TypeError, AssertionError):
            continue  # a note that nobody depends on
        found.append(report)
    return found


def _tracebacks(logs: Path) -> dict[str, int]:
    counts = {path.name: path.read_bytes().count(b"Traceback (most recent") for path in sorted(logs.glob("*.log"))}
    return {name: count for name, count in counts.items() if count}


def _lines(f: dict[str, Any]) -> list[str]:
    share = 100 * f["units"] / max(f["units_planned"], 1)
    lines = [
        f"{f['capture']}: {f['world']}",
        f"done     {f['units']:,} of {f['units_planned']:,} units ({share:.1f} %), "
        f"{f['shots']:,} of {f['shots_planned']:,} shots",
    ]
    total = sum(f["dropped"].values())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(f["dropped"].items()))
    lines.append(f"dropped  {total:,}" + (f": {reasons}" if reasons else ""))
    if f["cpu_s_per_shot"] is not None:
        lines.append(f"cost     {f['cpu_s_per_shot']} CPU-s a shot, at most {f['peak_mib']} MiB a worker")
    if f["writers"]:
        left = f["seconds_left"]
        ends = f", {left // 3600} h {left % 3600 // 60:02d} min left" if left is not None else ""
        lines.append(f"speed    {f['shots_per_s']} shots/s in the last half hour{ends}")
        lines += [f"writing  {who}" for who in f["writers"]]
    elif f["units"] < f["units_planned"]:
        lines.append("nobody is rendering; the same synth.render command goes on")
    lines += [f"errors   {count} in logs/{name}" for name, count in f["tracebacks"].items()]
    return lines


if __name__ == "__main__":
    command(Status, main)
