"""Contact sheets: whose crops are in which row."""

from pathlib import Path

import numpy as np
from PIL import Image

from datasets import sheet
from datasets.choice import choose_crops, choose_ids
from datasets.opening import open_dataset


def seen(page: Path, row: int, column: int) -> np.ndarray:
    """The median colour of a picture's place."""
    left = sheet.SIDE + column * (sheet.CELL[0] + sheet.GAP)
    top = sheet.HEAD + row * (sheet.CELL[1] + sheet.CAPTION + sheet.GAP)
    with Image.open(page) as drawn:
        return np.median(drawn.crop((left, top, left + sheet.CELL[0], top + sheet.CELL[1])), (0, 1))


def rows_of(page: Path) -> float:
    with Image.open(page) as drawn:
        return (drawn.height - sheet.HEAD - sheet.GAP) / (sheet.CELL[1] + sheet.CAPTION + sheet.GAP)


def test_a_row_for_each_person(shared_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "sheet.png"
    sheet.main(sheet.Settings("little", page, ids=3, per_id=4, data_root=shared_data))
    crops = open_dataset("little", shared_data).crops
    assert rows_of(page) == 3
    for row, pid in enumerate(choose_ids(crops, 3, 4)):
        for column, i in enumerate(choose_crops(crops, pid, 4)):
            assert np.abs(seen(page, row, column) - np.median(crops.image(i), (0, 1))).max() < 8


def test_a_row_for_each_camera_where_nobody_is_known(tmp_path: Path) -> None:
    shades = {"door": (10, 60, 110, 160, 210), "yard": (240,)}
    for camera, greys in shades.items():
        (tmp_path / "crops" / camera).mkdir(parents=True)
        for k, grey in enumerate(greys):
            Image.new("RGB", (20, 40), (grey,) * 3).save(tmp_path / "crops" / camera / f"{k}.png")
    page = tmp_path / "sheet.png"
    sheet.main(sheet.Settings(str(tmp_path / "crops"), page, per_id=3))
    assert rows_of(page) == 2
    found = [seen(page, *at)[0] for at in ((0, 0), (0, 1), (0, 2), (1, 0))]
    assert found == [10, 110, 210, 240]  # evenly chosen
