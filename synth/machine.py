"""What this machine renders with: Blender's module, its devices, the processor."""

import ctypes
import importlib.util
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from opengspr import UserError
from opengspr.version import made_with

BLENDER = "4.5"  # versions differ in their pictures, and in names
DEVICES = ("auto", "cpu", "cuda", "optix")
PACKAGES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libGL.so.1": "libgl1",
}
PROBE = """
import bpy
print("version", *bpy.app.version)
from synth.blender.devices import available
print("devices", *available())
"""


def check_blender() -> list[str]:
    """The graphics devices that Blender can render on here, of `DEVICES`; none is needed.

    Raises:
        UserError: Blender's module cannot be used; one line with the remedy.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != (3, 11):
        raise UserError(f"rendering needs Python 3.11 (bpy 4.5 is built for it), this is {python}")
    for module in ("bpy", "anny", "OpenEXR"):
        if importlib.util.find_spec(module) is None:
            raise UserError(f"rendering needs {module}: pip install -c constraints.txt -e '.[render]'")
    tried = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    said = {word[0]: word[1:] for word in map(str.split, tried.stdout.splitlines()) if word}
    if "version" in said and said["version"][:2] != BLENDER.split("."):
        found = ".".join(said["version"])
        raise UserError(f"rendering needs bpy {BLENDER}, this is {found}: pip install -c constraints.txt bpy")
    if tried.returncode == 0:
        return said["devices"]
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open", tried.stderr)
    if library:
        package = PACKAGES.get(library[1], f"the package with {library[1]}")
        raise UserError(f"rendering needs the system library {library[1]}: apt-get install {package}")
    last = tried.stderr.strip().splitlines()[-1:] or [str(tried.returncode)]
    raise UserError(f"bpy cannot be imported: {last[0]}")


def choose_device(wanted: str, available: list[str]) -> str:
    """The device to render on; says so where it is not the one that was asked for.

    Args:
        wanted: one of DEVICES. available: what `check_blender` found.
    """
    if wanted in ("cpu", *available):
        return wanted
    if wanted != "auto":
        there = f"only {', '.join(available)}" if available else "no graphics card"
        print(f"note: --device {wanted}: Blender finds {there} here; rendering on the processor", file=sys.stderr)
        return "cpu"
    chosen = available[0] if available else "cpu"
    if available:
        print(f"note: rendering on the graphics card by {chosen} (--device cpu for the processor)", file=sys.stderr)
    return chosen


def versions() -> dict[str, str]:
    """Of ours, and of the packages that decide what pictures look like."""
    return {**made_with(), **{name: _version(name) for name in ("bpy", "anny", "numpy")}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def instruction_set() -> str:
    """The widest vector instructions: pictures are the same to the bit only where these are."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return platform.machine() + next((f" {name}" for name in ("avx512f", "avx2", "sse4_2") if f" {name}" in flags), "")


def trim() -> None:
    """Gives memory back that is free but still held: a quarter of a process's, after people have been built."""
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
