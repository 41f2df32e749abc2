import pytest

from models.detection.recipe import CanvasRecipe


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width_px": 100, "height_px": 64}, "multiple of 32"),
        ({"width_px": 64}, "give both"),
        ({}, "short_sides_px"),
        ({"width_px": 64, "height_px": 64, "short_sides_px": (64,)}, "short_sides_px"),
        ({"short_sides_px": (8,)}, "expected 32 to"),
    ],
)
def test_canvases_are_one_or_the_other(fields, message):
    with pytest.raises(ValueError, match=message):
        CanvasRecipe(**fields)
