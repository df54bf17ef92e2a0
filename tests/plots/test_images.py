"""Pictures of the image pairs: that the pixels passed in are the pixels drawn, and in what order.

Kinds of test: identities (every pixel at its place), invariances (grey is colour with equal
channels), failures (rows of unequal length).
"""

import io

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from PIL import Image

from dotlib.errors import FileError, InputError
from dotlib.plots import images as image_plots
from dotlib.plots import style

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(256, size=(5, 3, 4, 6), dtype=np.uint8)
GREY = COLOUR[:, :1]


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    """A page shows what a cell returns; a figure left open would be shown a second time."""
    yield
    assert plt.get_fignums() == []


def place(index, columns, height, width):
    """Rows and columns of an image in a sheet, one pixel apart."""
    top, left = index // columns * (height + 1), index % columns * (width + 1)
    return slice(top, top + height), slice(left, left + width)


# --- sheets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
def test_a_sheet_has_each_image_at_its_place_and_white_between(columns):
    sheet = image_plots.sheet(COLOUR, columns)
    rows = -(-5 // columns)
    assert sheet.shape == (rows * 5 - 1, columns * 7 - 1, 3) and sheet.dtype == np.uint8
    rest = np.ones(sheet.shape[:2], bool)
    for index, image in enumerate(COLOUR):
        where = place(index, columns, 4, 6)
        assert np.array_equal(sheet[where], image.transpose(1, 2, 0)) is True
        rest[where] = False
    assert (sheet[rest] == 255).all()  # the gaps, and the places that no image fills


def test_grey_is_colour_with_equal_channels():
    assert np.array_equal(image_plots.sheet(GREY, 2), image_plots.sheet(GREY.repeat(3, axis=1), 2)) is True


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_scale_makes_blocks_and_keeps_gaps_of_one_pixel(scale):
    sheet = image_plots.sheet(COLOUR[:2], 2, scale)
    assert sheet.shape == (4 * scale, 2 * 6 * scale + 1, 3)
    assert (sheet[:, 6 * scale] == 255).all()
    second = sheet[:, 6 * scale + 1 :]
    for dy in range(scale):
        for dx in range(scale):
            block = second[dy::scale, dx::scale]
            assert np.array_equal(block, COLOUR[1].transpose(1, 2, 0)) is True


def test_a_sheet_does_not_write_into_its_images():
    before = COLOUR.copy()
    image_plots.sheet(COLOUR, 2)[:] = 7
    assert np.array_equal(COLOUR, before) is True


def test_stacked_sheets_lie_below_each_other():
    sheets = [image_plots.sheet(COLOUR[i : i + 2], 2) for i in (0, 2)]
    whole = image_plots.stacked(sheets)
    assert whole.shape == (2 * 4 + 3, 13, 3)
    assert np.array_equal(whole[:4], sheets[0]) is True
    assert np.array_equal(whole[7:], sheets[1]) is True
    assert (whole[4:7] == 255).all()
    assert np.array_equal(image_plots.stacked(sheets[:1]), sheets[0]) is True
    with pytest.raises(ValueError, match="must match"):
        image_plots.stacked([sheets[0], image_plots.sheet(COLOUR[:1], 1)])


# --- figures of images ---------------------------------------------------------------------------


def drawn(axis):
    """The pixels of an axis."""
    (image,) = axis.get_images()
    return np.asarray(image.get_array())


def test_before_and_after_stand_above_each_other_with_their_captions():
    sets = {"bare": COLOUR, "DOT": 255 - COLOUR}
    figure = image_plots.before_after(sets, {"DOT": [f"+{i}" for i in range(5)]})
    axes = np.array(figure.axes).reshape(2, 5)
    for row, images in enumerate(sets.values()):
        for column, image in enumerate(images):
            assert np.array_equal(drawn(axes[row, column]), image.transpose(1, 2, 0)) is True
    assert [axis.get_xlabel() for axis in axes[0]] == [""] * 5
    assert [axis.get_xlabel() for axis in axes[1]] == ["+0", "+1", "+2", "+3", "+4"]
    assert [axes[row, 0].get_ylabel() for row in (0, 1)] == ["bare", "DOT"]
    assert all(len(axis.get_xticks()) == 0 for axis in figure.axes)


def frame(axis):
    """The colour of an image's frame, None where it has none."""
    colours = {to_hex(side.get_edgecolor()).upper() for side in axis.spines.values() if side.get_visible()}
    assert len(colours) <= 1
    return next(iter(colours), None)


def test_frames_are_blue_before_and_red_after_where_they_are_asked_for():
    sets = {"bare": COLOUR, "DOT": COLOUR}
    framed = image_plots.before_after(sets, {}, framed=True).axes
    assert [frame(axis) for axis in framed] == [image_plots.BEFORE] * 5 + [image_plots.AFTER] * 5
    assert {frame(axis) for axis in image_plots.before_after(sets, {}).axes} == {None}
    strip = np.array(image_plots.strip(RNG.integers(256, size=(3, 2, 1, 4, 4), dtype=np.uint8), (0, 1, 2)).axes)
    assert [frame(axis) for axis in strip.reshape(2, 3).T.flat] == [None] * 4 + [image_plots.AFTER] * 2


@pytest.mark.parametrize(
    ("sets", "captions"),
    [
        ({"bare": COLOUR, "DOT": COLOUR[:4]}, {}),
        ({"bare": COLOUR[:4], "DOT": COLOUR}, {}),
    ],
)
def test_rows_of_unequal_length_are_refused(sets, captions):
    with pytest.raises(ValueError, match="zip"):
        image_plots.before_after(sets, captions)
    plt.close("all")


def test_grey_images_keep_black_and_white():
    """An image without black or white is not stretched to them."""
    figure = image_plots.before_after({"grey": GREY // 4 + 90}, {})
    (image,) = figure.axes[0].get_images()
    assert image.get_clim() == (0, 255) and image.get_cmap().name == "gray"
    assert np.array_equal(drawn(figure.axes[0]), GREY[0, 0] // 4 + 90) is True


def test_a_strip_has_a_column_a_step_and_a_row_a_sample():
    way = RNG.integers(256, size=(3, 2, 1, 4, 4), dtype=np.uint8)
    figure = image_plots.strip(way, (0, 10, 20))
    axes = np.array(figure.axes).reshape(2, 3)
    for sample in range(2):
        for step in range(3):
            assert np.array_equal(drawn(axes[sample, step]), way[step, sample, 0]) is True
    assert [axis.get_title() for axis in axes[0]] == ["0", "10", "20"]
    assert [axis.get_title() for axis in axes[1]] == [""] * 3


# --- the film ------------------------------------------------------------------------------------


def frames_of(gif):
    """(pixels, milliseconds) of each frame."""
    found = []
    with Image.open(io.BytesIO(gif)) as film:
        assert film.format == "GIF" and film.info["loop"] == 0
        for index in range(film.n_frames):
            film.seek(index)
            found.append((np.asarray(film.convert("RGB")).copy(), film.info["duration"]))
    return found


def test_a_film_shows_every_frame_and_rests_on_the_last():
    levels = np.array([0, 80, 160, 240], dtype=np.uint8)
    way = np.broadcast_to(levels[:, None, None, None, None], (4, 3, 1, 4, 4))
    found = frames_of(image_plots.film(way, columns=3, scale=2))
    assert [ms for _, ms in found] == [120, 120, 120, 1000]
    for (pixels, _), level in zip(found, levels, strict=True):
        assert pixels.shape == (8, 26, 3)
        assert (pixels[:, :8] == level).all() and (pixels[:, 8] == 255).all()


def test_a_film_of_few_colours_is_exact():
    """A GIF has 256 colours; grey images need no more."""
    way = RNG.integers(256, size=(2, 1, 1, 8, 8), dtype=np.uint8)
    for (pixels, _), images in zip(frames_of(image_plots.film(way, 1, 1)), way, strict=True):
        assert np.array_equal(pixels, images[0].repeat(3, 0).transpose(1, 2, 0)) is True


# --- files of pictures ----------------------------------------------------------------------------


def test_picture_files_stand_below_each_other_under_their_names(tmp_path):
    files = {}
    for name, pixels in (("first", COLOUR[0]), ("second", COLOUR[1][:, :2])):
        files[name] = tmp_path / f"{name}.png"
        Image.fromarray(pixels.transpose(1, 2, 0)).save(files[name])
    first, second = image_plots.pictures(files).axes
    assert [axis.get_title(loc="left") for axis in (first, second)] == ["first", "second"]
    assert np.array_equal(first.images[0].get_array(), COLOUR[0].transpose(1, 2, 0)) is True
    assert np.array_equal(second.images[0].get_array(), COLOUR[1][:, :2].transpose(1, 2, 0)) is True
    assert first.get_position().y0 > second.get_position().y1


@pytest.mark.parametrize("content", [None, b"", b"no picture", "half"])
def test_an_unreadable_picture_is_named(tmp_path, content):
    path = tmp_path / "one.png"
    if content == "half":
        noise = RNG.integers(256, size=(64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        content = path.read_bytes()[: len(path.read_bytes()) // 2]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match=r"one\.png: no readable picture"):
        image_plots.pictures({"one": path})


def test_no_pictures_at_all_is_an_error():
    with pytest.raises(InputError, match="files: there are none"):
        image_plots.pictures({})


def test_grids_have_a_sheet_for_every_row_and_column_and_name_both():
    figure = image_plots.grids(
        {"cnn": {"early": GREY, "late": GREY[::-1]}, "mlp": {"early": GREY, "late": GREY}}, columns=2
    )
    axes = figure.axes
    assert [axis.get_ylabel() for axis in axes] == ["cnn", "", "mlp", ""]
    assert [axis.get_title() for axis in axes] == ["early", "late", "", ""]
    for axis, images in zip(axes, (GREY, GREY[::-1], GREY, GREY), strict=True):
        assert np.array_equal(axis.images[0].get_array(), image_plots.sheet(images, 2))


def test_a_figure_in_greys_differs_by_less_than_a_grey_and_is_far_smaller():
    figure = image_plots.grids({f"run {i}": {"samples": GREY.repeat(5, 0)} for i in range(4)})
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, facecolor="white")
    kept = image_plots.grey(figure)
    difference = np.asarray(Image.open(io.BytesIO(kept)).convert("L"), int) - np.asarray(
        Image.open(drawn).convert("L"), int
    )
    assert np.abs(difference).max() <= 128 / (image_plots.GREYS - 1)
    assert len(kept) < len(drawn.getvalue()) / 2


def test_a_gallery_has_a_sheet_for_each_pair_and_position_with_its_rises():
    rng = np.random.default_rng(3)
    of = {
        name: (rng.integers(0, 256, (2, 6, 1, 2, 2)).astype(np.uint8), rng.random((2, 3)))
        for name in ("first", "second")
    }
    shown = image_plots.gallery(of, ("high", "middle", "low"), ("bare", "1 x published"), start="1 x published")
    sheets = shown.panels[0].values
    assert len(sheets) == 4 and np.array_equal(sheets[2], image_plots.sheet(of["second"][0][0], 2))
    assert shown.controls[0].start == 1
    (low,) = shown.table.rows["rise of D, low"]
    assert np.array_equal(low.values, [of[name][1][:, 2] for name in of])


def test_a_figure_of_images_has_no_ground_of_its_own_and_letters_that_read_on_both():
    figure = image_plots.grids({"run": {"samples": GREY}})
    assert figure.get_facecolor()[3] == 0 and figure.axes[0].get_facecolor()[3] == 0
    grey = sum(int(style.BESIDE_PHOTOGRAPHS[at : at + 2], 16) for at in (1, 3, 5)) / 3 / 255
    luminance = ((grey + 0.055) / 1.055) ** 2.4
    dark = 0.0091  # relative luminance of the theme's dark page, #14181e
    assert 1.05 / (luminance + 0.05) > 4 and (luminance + 0.05) / (dark + 0.05) > 4
    assert figure.axes[0].title.get_color() == style.BESIDE_PHOTOGRAPHS
