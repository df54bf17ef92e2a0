"""Every check of a page sees its fault, planted in a small page, and nothing in a sound one. Kinds: failures."""

import io

import chromium
import pytest
from PIL import Image

from dotlib.plots.interactive import Control, Interactive, Mark, Panel

checks = pytest.importorskip("browser.checks", reason="the extra `browser` is not installed")
pytestmark = pytest.mark.browser

SOUND = """<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="dot.png">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="A page of a book that has nothing wrong with it, for tests.">
<style>
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #eee }} a {{ color: #9cf }} }}</style></head>
<body><main><article><h1>A page</h1><a href="https://arxiv.org/abs/1910.06832">a paper</a>
<img src="dot.png" width="60" alt="a dark square without words"><svg xmlns="http://www.w3.org/2000/svg" width="9"/>
{0}</article></main></body></html>"""


@pytest.fixture
def found(browser, tmp_path):
    """What the survey finds in a page with that text."""

    def survey(text):
        for name, grey in (("dot", 20), ("white", 255)):
            content = io.BytesIO()
            Image.new("L", (60, 60), grey).save(content, "PNG")
            (tmp_path / f"{name}.png").write_bytes(content.getvalue())
        Image.new("L", (900, 60), 20).save(tmp_path / "wide.png")
        film = [Image.new("L", (60, 60), grey) for grey in (20, 30)]
        film[0].save(tmp_path / "film.gif", save_all=True, append_images=film[1:], duration=80, loop=0)
        (tmp_path / "heavy.png").write_bytes((tmp_path / "dot.png").read_bytes() + bytes(2_000_000))
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        with chromium.served(tmp_path) as address:
            return checks.survey(browser, address, "page.html")

    return survey


def test_a_sound_page_has_no_faults(found):
    assert found(SOUND.format("")) == {}


def test_a_wide_image_that_scrolls_in_its_own_box_is_no_fault(found):
    assert found(SOUND.format('<div style="overflow-x: auto"><img src="wide.png" alt="a wide image"></div>')) == {}


def test_a_film_with_a_still_for_readers_who_want_one_is_no_fault(found):
    still = '<source media="(prefers-reduced-motion: reduce)" srcset="dot.png">'
    assert found(SOUND.format(f'<picture>{still}<img src="film.gif" width="60" alt="a film of grey"></picture>')) == {}


@pytest.mark.parametrize(
    ("check", "part", "said"),
    [
        ("console", "<script>console.error('broken')</script>", "broken"),
        ("console", "<script>let a = 1; let a = 2;</script>", "has already been declared"),
        ("console", '<script src="gone.js"></script>', "404"),
        ("foreign", '<script>fetch("https://example.org/x").catch(() => null)</script>', "https://example.org/x"),
        ("foreign", '<link rel="preconnect" href="//example.org">', "<link href>: //example.org"),
        ("foreign", '<script type="text/x-config">const URL = "https://unpkg.com/thebe"</script>', "https://unpkg.com"),
        ("foreign", '<img src="https://example.org/a.png" alt="a foreign image">', "https://example.org/a.png"),
        ("mathematics", '<span class="math">\\(x\\)</span>', "1 formulas, 0 drawn"),
        ("alternative texts", '<img src="dot.png" width="9">', "dot.png: None"),
        ("alternative texts", '<img src="dot.png" width="9" alt="../_images/dot.png">', "'../_images/dot.png'"),
        ("alternative texts", '<noscript><img src="dot.png" alt=""></noscript>', "dot.png: ''"),
        ("weight", '<img src="heavy.png" width="9" alt="a heavy image">', "2.00 MB, of these heavy.png 2.00"),
        ("motion", '<img src="film.gif" width="9" alt="a film of grey">', "film.gif moves"),
        ("clipped", '<div style="overflow-x: auto"><p style="width: 3000px">wide</p></div>', "of 3000 pixels"),
        ("clipped", '<p style="width: 3000px">wide</p>', "sticks out"),
        ("phone", '<p style="width: 500px">wide</p>', "the page is"),
        ("phone", '<img src="wide.png" style="max-width: 100%" alt="a wide image">', "an image of 900 pixels is drawn"),
        ("slabs", '<img src="white.png" width="60" alt="a white slab">', "white.png: grey level 255"),
        ("accessibility", '<p style="color: #bbb; background: #fff">pale</p>', "color-contrast, 1 times"),
        ("contrast in the dark", '<p style="color: #111; background: #222">dark</p>', "color-contrast, 1 times"),
    ],
)
def test_each_fault_is_seen(found, check, part, said):
    assert said in "\n".join(found(SOUND.format(part)).get(check, []))


@pytest.mark.parametrize(
    ("part", "said"),
    [('rel="icon"', "no favicon"), ('name="description"', "no description"), ('lang="en"', "no language")],
)
def test_a_page_without_a_part_of_its_head_is_seen(found, part, said):
    assert said in found(SOUND.format("").replace(part, ""))["head"]


NO_WORDS = (None, "", "figure", "../_images/9cebd8.png", "a picture.png", "output 1", "Image 12", "figure 3.")
PATHS = ("/srv/book/moving.gif samples of G", "Figure saved at ../_images/9ce.png here", "From a/notebook.IPYNB of G")


@pytest.mark.parametrize("text", [*NO_WORDS, *PATHS])
def test_these_are_no_words_for_an_image(text):
    assert not checks.is_alternative(text)


@pytest.mark.parametrize("text", ["D/K_eff. Then x/2.5 of 5/7", "figure 3 shows points", "samples and/or data"])
def test_these_are_words_for_an_image(text):
    assert checks.is_alternative(text)


LINES = [[[[t, to], [0, 1]] for to in (0, 1)] for t in (0, 1, 2)]
FIGURE = Interactive(
    "moving",
    "A line that a slider and a list move",
    (Control("t", "time", ("now", "then", "later"), slider=True), Control("to", "to", ("left", "right"))),
    (Panel("", (Mark("line", LINES, ("t", "to")),), (0, 3), (0, 3)),),
)


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (("", ""), []),
        (
            ("= at; draw(); }", "= at; }"),
            ["moving: a slider is moved and draws nothing new", "moving: a list is changed and draws nothing new"],
        ),
        (('"aria-valuetext", control', '"aria-label", control'), ["moving: positions of a slider are called (None, "]),
    ],
)
def test_a_control_that_moves_nothing_is_seen(browser, planted, found):
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(FIGURE.html().replace(*planted))
        faults = checks.unmoved(page)
    assert len(faults) == len(found) and all(map(str.startswith, faults, found))


def test_the_rim_of_a_picture_is_measured_not_its_middle():
    picture = Image.new("L", (40, 40), 255)
    picture.paste(0, (0, 0, 40, 3))
    picture.paste(0, (0, 37, 40, 40))
    picture.paste(0, (0, 0, 3, 40))
    content = io.BytesIO()
    picture.save(content, "PNG")
    assert checks.rim(content.getvalue()) == 0
