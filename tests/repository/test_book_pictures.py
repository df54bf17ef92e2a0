"""Pictures of the built book in few bytes. Kinds: identities (pixels and times stay), failures."""

import io
import re
from base64 import b64decode, b64encode

import book_pictures
import numpy as np
import pytest
from PIL import Image, ImageSequence

RNG = np.random.default_rng(0)


def encoded(picture, kind="PNG", **settings):
    content = io.BytesIO()
    picture.save(content, kind, **settings)
    return content.getvalue()


def photograph(rows=160):
    """Red grows to the right, green downwards, and blue is noise: too many colours for a palette."""
    red, green = np.meshgrid(np.linspace(0, 240, 200), np.linspace(0, 240, rows))
    return Image.fromarray(np.stack([red, green, RNG.integers(0, 200, red.shape)], axis=2).astype(np.uint8))


def pixels(content):
    with Image.open(io.BytesIO(content)) as picture:
        return [
            (np.asarray(frame.convert("RGBA")), frame.info.get("duration")) for frame in ImageSequence.Iterator(picture)
        ]


def test_a_palette_is_taken_where_nobody_sees_it():
    diagram = Image.new("RGB", (200, 200), "white")
    diagram.paste((0, 114, 178), (20, 20, 90, 90))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    clear = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    made = Image.open(io.BytesIO(book_pictures.with_palette(encoded(diagram))))
    assert made.mode == "P" and made.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert book_pictures.with_palette(encoded(noise)) == encoded(noise)
    assert Image.open(io.BytesIO(book_pictures.with_palette(encoded(clear)))).convert("RGBA").getpixel((3, 3))[3] == 0


def test_a_photograph_keeps_every_pixel_and_a_small_picture_its_format():
    png = encoded(photograph())
    light, ending = book_pictures.lightest(png, ".png")
    assert ending == ".webp" and len(light) < book_pictures.GAIN * len(png)
    assert np.array_equal(pixels(light)[0][0], pixels(png)[0][0])
    small = encoded(photograph(4))
    assert book_pictures.lightest(small, ".png") == (small, ".png")


def test_an_animation_keeps_its_frames_and_how_long_each_stays():
    frames = [Image.fromarray(RNG.integers(0, 256, (80, 80), dtype=np.uint8)).convert("P") for _ in range(4)]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0, duration=[80, 80, 80, 1000])
    light, before = pixels(book_pictures.as_webp(gif)), pixels(gif)
    assert [shown for _, shown in light] == [shown for _, shown in before] == [80, 80, 80, 1000]
    assert all(np.array_equal(ours, theirs) for (ours, _), (theirs, _) in zip(light, before, strict=True))


def test_where_less_motion_is_asked_for_an_animation_is_its_last_frame(tmp_path):
    frames = [Image.fromarray(RNG.integers(0, 256, (80, 80), dtype=np.uint8)).convert("P") for _ in range(4)]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0, duration=80)
    (tmp_path / "_images").mkdir()
    (tmp_path / "_images" / "a.gif").write_bytes(gif)
    (tmp_path / "_images" / "b.png").write_bytes(encoded(frames[0]))
    page = tmp_path / "page.html"
    page.write_text('<img alt="A" src="_images/a.gif" /><img src="_images/b.png">', encoding="utf-8")
    book_pictures.lighten(tmp_path, [page])
    found = re.fullmatch(
        r'<picture><source media="\(prefers-reduced-motion: reduce\)" srcset="(_images/[\w.-]+)">'
        r'<img alt="A" src="_images/a.webp" /></picture><img src="_images/b.png">',
        page.read_text(encoding="utf-8"),
    )
    (still,) = pixels((tmp_path / found[1]).read_bytes())
    assert np.array_equal(still[0], pixels(gif)[-1][0])


@pytest.fixture
def book(tmp_path):
    """A page that shows a file and holds two pictures, a large one and a small one."""
    (tmp_path / "_images").mkdir()
    (tmp_path / "_images" / "a.png").write_bytes(encoded(photograph()))
    page = tmp_path / "executed" / "page.html"
    page.parent.mkdir()
    held = [b64encode(encoded(photograph(rows))).decode() for rows in (100, 1)]
    told = "".join(f'"data:image/png;base64,{text}" ' for text in held)
    page.write_text(f'<img src="../_images/a.png"><img src="../_images/other.svg">{told}', encoding="utf-8")
    return page, held


def test_pictures_inside_of_a_page_become_files_beside_those_it_shows(book, tmp_path):
    page, held = book
    book_pictures.lighten(tmp_path, [page])
    text = page.read_text(encoding="utf-8")
    assert (
        '"../_images/a.webp"' in text and '"../_images/other.svg"' in text and not (tmp_path / "_images/a.png").exists()
    )
    assert held[0] not in text and held[1] in text
    (address,) = set(re.findall(r'"(\.\./_images/[0-9a-f]{64}\.\w+)"', text))
    shown = (page.parent / address).read_bytes()
    assert np.array_equal(pixels(shown)[0][0], pixels(b64decode(held[0]))[0][0])
