"""Which room may import which. Whoever needs a new arrow draws it here first, and in CONTRIBUTING.md."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
ARROWS = {
    "opengspr": ["opengspr"],
    "scenes": ["opengspr", "scenes"],
    "synth": ["opengspr", "scenes", "synth"],
    "datasets": ["opengspr", "datasets"],
    "labeler": ["opengspr", "synth.capture", "datasets", "labeler"],
    "train": ["opengspr", "datasets", "train.parts"],  # so no recipe imports another, and no part a recipe
    "train.mesh": ["synth.capture", "synth.person", "synth.poses"],
}


def below(module: str, tops: list[str]) -> bool:
    return any(f"{module}.".startswith(f"{top}.") for top in tops)


def imports() -> dict[str, set[str]]:
    """Every module of the rooms, and the modules that it imports."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for room in ARROWS
        if "." not in room
        for path in (ROOT / room).rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found[module] |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module and not node.level, f"{module}: a relative import"
                inner = {f"{node.module}.{name.name}" for name in node.names}
                found[module] |= {name if name in files else node.module for name in inner}
    return found


def test_only_the_arrows_that_are_drawn() -> None:
    for module, used in imports().items():
        allowed = [top for start, tops in ARROWS.items() if below(module, [start]) for top in tops]
        ours = {name for name in used if below(name, list(ARROWS))}
        wrong = {name for name in ours if not below(name, allowed)}
        assert not wrong, f"{module} imports {wrong}"


def test_bpy_stays_in_its_floor() -> None:
    blender = ["bpy", "bmesh", "mathutils", "gpu", "bpy_extras"]
    users = {module for module, used in imports().items() if any(below(name, blender) for name in used)}
    assert not [module for module in users if not below(module, ["synth.blender"])], users


def test_no_circles() -> None:
    TopologicalSorter(imports()).prepare()  # raises CycleError, which names the circle
    assert "opengspr.files" in imports()["datasets.writer"]  # the arrows are really read


def test_nothing_opens_a_blend_file() -> None:
    """A file made elsewhere may hold scripts and drivers. None is ever loaded, so none can run."""
    loads = {"open_mainfile", "revert_mainfile", "recover_last_session", "libraries", "append_blend", "run_script"}
    for room in ("synth", "scenes"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text())
            used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not used & loads, f"{path}: {used & loads}"
            operators = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
            wm = {name for name in operators if name.startswith("bpy.ops.wm.")}
            assert wm <= {"bpy.ops.wm.read_factory_settings"}, f"{path}: {wm}"
