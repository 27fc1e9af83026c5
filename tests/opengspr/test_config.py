"""YAML that people write: every mistake ends in one line."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opengspr import UserError
from opengspr.config import MOST_BYTES, check, numbers, read_yaml

NEEDED, OPTIONAL = {"people": int}, {"cameras": list, "open": bool}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("people: 3\npeople: 4", "'people' comes twice"),
        ("people: 3\ncameras: [{a: 1, a: 2}]", "'a' comes twice"),
        ("poeple: 3", "did you mean 'people'"),
        ("people: many", "people is 'many', wanted a number"),
        ("people: true", "people is True, wanted a number"),
        ("people: 3\nopen: 1", "open is 1, wanted bool"),
        ("open: yes", "people is missing"),
        ("[1, 2]", "wanted a mapping, got list"),
        ("", "wanted a mapping, got NoneType"),
        ("people: [", "while parsing"),
        ("people: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("people: !!bool many", "many"),
        ("people: !!timestamp many", "groupdict"),
        ("[" * 5000, "recursion"),
        ("people: 3 #" + "x" * MOST_BYTES, "at most 1048576 bytes"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as raised:
        check(path, "top", read_yaml(path), NEEDED, OPTIONAL)
    assert str(raised.value).startswith(f"{path}: ") and "\n" not in str(raised.value)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), st.text("ab:{}[]-&*!<'\"\n \t#0", max_size=40).map(str.encode)))
def test_whatever_stands_in_a_file_only_our_error_comes_out(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(data)
    try:
        check(path, "top", read_yaml(path), NEEDED, OPTIONAL)
    except UserError:
        pass


@pytest.mark.parametrize("got", [None, "abc", [1, 2], [[1, 2], [3]], [[1, float("nan")]], [], [[1, 2, 3]]])
def test_numbers_have_the_shape_that_is_wanted(got: object) -> None:
    with pytest.raises(UserError, match=r"odd.yaml: region is .*, wanted any number x 2 numbers"):
        numbers(Path("odd.yaml"), "region", got, -1, 2)
    assert numbers(Path("odd.yaml"), "region", [[1, 2], [3, 4.5]], -1, 2).shape == (2, 2)
