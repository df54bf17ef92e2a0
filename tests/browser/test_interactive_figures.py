"""Interactive figures in a browser: points tell by keyboard what they tell the pointer. Kinds: invariances."""

import pytest

from dotlib.plots.interactive import Interactive, Mark, Panel

checks = pytest.importorskip("browser.checks", reason="the extra `browser` is not installed")
pytestmark = pytest.mark.browser

NAMES = ("DOT, 10 updates: FID 3.00", "DOT, 20 updates: FID 2.00")
POINTS = Mark("points", [[1.0, 1.0], [2.0, 2.0]], label="DOT", names=NAMES, size=20.0)
PALE = Mark("points", [[1.5, 1.0]], label="training samples", colour="currentColor", opacity=0.25)
FIGURE = Interactive("asked", "FID of DOT", (), (Panel("FID", (PALE, POINTS), (0, 3), (0, 3)),))
LOOKS = """() => {
  const look = (e) => [e.getAttribute('stroke') || e.getAttribute('fill'), e.getAttribute('opacity')];
  const drawn = [...document.querySelectorAll('[data-label]')].map((e) => [e.dataset.label, e.firstElementChild]);
  const keys = [...document.querySelectorAll('.legend > *')].map((e) => [e.textContent, e.querySelector('path')]);
  return [drawn, keys].map((all) => Object.fromEntries(all.map(([label, e]) => [label, look(e)])));
}"""
TOLD = ".dot-figure .told"


@pytest.fixture
def page(browser):
    """A page with the figure and nothing else."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(f"<html lang='en'><head><title>A page</title></head><main>{FIGURE.html()}</main></html>")
        yield page


def test_a_point_tells_the_same_by_keyboard_and_under_the_pointer(page):
    before = page.inner_text(TOLD)
    for at, name in enumerate(NAMES):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == name
        assert page.inner_text(TOLD) == name
        page.evaluate("document.activeElement.blur()")
        assert page.inner_text(TOLD) == before
        point = page.locator(".dot-figure svg [tabindex]").nth(at)
        point.hover()
        assert page.inner_text(TOLD) == point.locator("title").text_content() == name
        page.mouse.move(0, 0)
        assert page.inner_text(TOLD) == before
        point.focus()


def test_points_with_the_focus_are_no_part_of_an_image(page):
    assert checks.axe(page, checks.AXE) == []
    assert page.get_by_role("group", name="FID", exact=True).get_by_role("img").count() == len(NAMES)


def test_the_legend_has_the_colour_that_is_drawn(page):
    drawn, keys = page.evaluate(LOOKS)
    assert keys == drawn and keys["training samples"] == ["currentColor", "0.25"]
