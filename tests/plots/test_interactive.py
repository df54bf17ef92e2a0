"""Interactive figures: what a page decodes is what was passed in, and nothing is asked from elsewhere."""

import base64
import html
import io
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from dotlib.errors import InputError
from dotlib.plots import interactive
from dotlib.plots.interactive import Control, Interactive, Mark, Number, Panel, Pictures, Scales, Table

RNG = np.random.default_rng(0)
PATHS = RNG.normal(size=(3, 11, 40, 2))  # lists to choose from, positions of the slider, points
LINE = np.array([[0.0, 1.0], [0.5, np.nan], [1.0, -2.0]])
DISTANCES = RNG.random((3, 11))
CONTROLS = (
    Control("K", "K_eff", ("half", "one", "two"), start=1),
    Control("step", "updates", tuple(map(str, range(11))), start=10, slider=True, plays=True),
)


def figure(description="Points <move> & stop", **changes):
    marks = (Mark("points", PATHS, ("K", "step"), "DOT"), Mark("line", LINE, label="D/K", colour="#009E73"))
    table = Table(("", "DOT"), {"EMD": (Number(DISTANCES, ("K", "step")),), "K": (Number(np.nan),)})
    fields = {"controls": CONTROLS, "panels": (Panel("DOT", marks, (-3, 3), (-3, 3)),), "table": table}
    return Interactive("moving", description, **(fields | changes))


def read(text):
    """The JSON in the HTML, as a browser finds it."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def decoded(packed):
    values = np.frombuffer(base64.b64decode(packed["base64"]), np.dtype(packed["dtype"]).newbyteorder("<"))
    return packed["scale"] * values.astype(float).reshape(packed["shape"])


def test_points_are_decoded_to_a_thousandth_of_a_pixel_and_other_numbers_as_float32():
    spec = read(figure().html())
    points, line = spec["panels"][0]["marks"]
    step = np.abs(PATHS).max() / 32767  # rounding errs by half of it
    assert np.abs(decoded(points["values"]) - PATHS).max() <= 0.501 * step
    assert points["values"]["by"] == ["K", "step"]
    assert np.array_equal(decoded(line["values"]), LINE.astype(np.float32), equal_nan=True)
    numbers = [number for row in spec["table"]["rows"] for number in row["numbers"]]
    assert np.array_equal(decoded(numbers[0]), DISTANCES.astype(np.float32))
    assert np.isnan(decoded(numbers[1]))


def test_a_point_costs_four_bytes_before_base64():
    def size(n):
        marks = (Mark("points", PATHS[:, :, :n], ("K", "step")),)
        return len(json.dumps(figure(panels=(Panel("", marks, (0, 1), (0, 1)),)).specification()))

    assert abs(size(40) - size(20) - 3 * 11 * 20 * 4 * 4 / 3) < 20


def test_without_scripts_there_is_the_still_image_with_its_alternative_text():
    shown = figure()
    fallback = re.search(r'<noscript><img src="data:image/png;base64,([^"]+)" alt="([^"]+)"></noscript>', shown.html())
    assert html.unescape(fallback[2]) == "Points <move> & stop"
    assert base64.b64decode(fallback[1]) == shown.png()
    assert Image.open(io.BytesIO(shown.png())).size[0] > 200
    drawn = shown.still().axes[0].collections[0].get_offsets()
    assert np.allclose(drawn, PATHS[1, 10], atol=1e-12)  # where the controls start


def test_a_notebook_gets_the_figure_and_its_still_image_and_a_group_with_a_name():
    bundle = figure()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png"}
    assert 'role="group" aria-label="Points &lt;move&gt; &amp; stop"' in bundle["text/html"]
    assert base64.b64decode(bundle["image/png"]) == figure().png()


def test_nothing_is_asked_from_elsewhere():
    text = figure().html()
    assert set(re.findall(r"https?://([^/\"' ]+)", text)) <= {"www.w3.org"}  # names of SVG, never fetched
    assert not re.search(r"<script[^>]*\bsrc=|<link|@import|fetch\(\"", text)


def test_the_book_takes_the_library_out_and_leaves_the_data():
    text = figure().html()
    left, found = interactive.SCRIPT.subn("", text + text)
    assert found == 2
    assert len(left) < len(text)
    assert read(left) == read(text)
    assert "d3js.org" not in left


def test_a_closing_tag_in_a_text_ends_nothing():
    spec = read(figure(table=Table(("</script>", "DOT"), {})).html())
    assert spec["table"]["heads"] == ["</script>", "DOT"]


SCORES = np.array([[[[0.25, 1e4], [0.5, 2e4]]] * 2] * 3)  # two points at (K, axis): far apart in scale
AXES = Scales("axis", ("price", "FID"), ((0.0, 1.0), (1.0, 100.0)), ("linear", "log"))
CHOOSE = (CONTROLS[0], Control("axis", "horizontal", ("price", "FID"), start=1))


def chosen(names=("A, 1", "A, 2"), axes=AXES, shape="diamond"):
    mark = Mark("points", SCORES, ("K", "axis"), "A", names=names, shape=shape)
    return figure(
        controls=CHOOSE, panels=(Panel("", (mark,), (0, 1), (0, 5e4), xaxes=axes),), table=None, switches=True
    )


def test_points_with_names_keep_them_and_small_numbers_beside_large_ones():
    spec = read(chosen().html())
    (mark,) = spec["panels"][0]["marks"]
    assert mark["names"] == ["A, 1", "A, 2"] and mark["shape"] == "diamond" and spec["switches"]
    assert np.array_equal(decoded(mark["values"]), SCORES)


def test_an_axis_follows_its_control_and_the_still_image_has_the_first():
    shown = chosen()
    axes = read(shown.html())["panels"][0]["xaxes"]
    assert axes == {"by": "axis", "labels": ["price", "FID"], "limits": [[0, 1], [1, 100]], "scales": ["linear", "log"]}
    drawn = shown.still().axes[0]
    assert (drawn.get_xlabel(), drawn.get_xscale(), drawn.get_xlim()) == ("FID", "log", (1, 100))
    assert not read(figure().html())["switches"] and read(figure().html())["panels"][0]["xaxes"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("A, 1",)}, "names: found 1 for 2 points; name each"),
        ({"shape": "heart"}, "shape: unknown 'heart'"),
        ({"axes": Scales("axes", ("a", "b"), ((0, 1),) * 2, ("log",) * 2)}, "by: unknown 'axes'"),
        ({"axes": Scales("axis", ("a", "b"), ((0, 1),) * 2, ("log",))}, r"axes: found \[1, 2\] of them, expected 2"),
    ],
)
def test_names_and_axes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        chosen(**changes)


def test_a_picture_is_shown_pixel_by_pixel():
    pixels = tuple(RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8) for _ in range(3))
    spec = read(figure(panels=(Pictures("samples", pixels, ("K",)),)).html())
    for address, values in zip(spec["panels"][0]["values"], pixels, strict=True):
        content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), values)


def test_pictures_of_two_controls_are_counted_with_the_last_one_first():
    pixels = tuple(np.full((2, 2, 3), at, np.uint8) for at in range(33))
    shown = figure(panels=(Pictures("samples", pixels, ("K", "step")),))
    drawn = shown.still().axes[0].images[0].get_array()  # K starts at 1 of 3, step at 10 of 11
    assert int(np.asarray(drawn)[0, 0, 0]) == 1 * 11 + 10
    with pytest.raises(InputError, match=r"values: found 32 pictures, expected 33; one for each of by=\('K', 'step'\)"):
        figure(panels=(Pictures("samples", pixels[1:], ("K", "step")),))
    with pytest.raises(InputError, match="by: unknown 'stop'"):
        figure(panels=(Pictures("samples", pixels, ("stop",)),))


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (Mark("points", PATHS, ("K", "stop")), "by: unknown 'stop'; known: K, step; nearest: step"),
        (Mark("dots", PATHS, ("K", "step")), "kind: unknown 'dots'"),
        (Mark("points", PATHS, ("step", "K")), r"values: found shape \(3, 11, 40, 2\), expected \(11, 3, 'n', '2'\)"),
        (Mark("line", LINE[:, :1]), r"values: found shape \(3, 1\)"),
    ],
)
def test_arrays_that_do_not_fit_their_controls_are_refused(mark, message):
    with pytest.raises(InputError, match=message):
        figure(panels=(Panel("", (mark,), (0, 1), (0, 1)),))


def test_without_mpld3_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpld3", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"mpld3: not installed.*pip install 'dotlib\[book\]'"):
        interactive.library()
