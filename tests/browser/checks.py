"""What a browser finds wrong with a page. Every check gives its faults, one line each, and none where all is well.

`survey` opens a page with an empty cache and makes all checks that hold for every page; `test_checks.py` plants each
fault in a small page.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from statistics import median

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

DESK, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
HEAVIEST = 2_000_000  # bytes of everything that a page loads, uncompressed
LEGIBLE = 0.6  # of its own width, at which numbers of 8 points have more than 6 pixels on a phone
SLAB = 170  # grey level of 255: a figure with a lighter rim lies on paper, which stands out of a dark page
# Without preload axe leaves style sheets to the browser; docutils gives entries of bibliographies roles that newer
# versions of ARIA deprecate, and lists of them roles that ask for others inside.
UNASKED = {"aria-deprecated-role": {"enabled": False}, "aria-required-children": {"enabled": False}}
AXE = {"runOnly": ["wcag2a", "wcag2aa"], "rules": UNASKED, "preload": False}
CONTRAST = {"runOnly": ["color-contrast"], "preload": False}
FOREIGN = re.compile(r"(?:https?:|['\"(\s=]|^)//(?!127\.0\.0\.1|www\.w3\.org)[\w-]+\.[\w.-]+")
A_PATH = re.compile(r"\.(png|svg|gif|jpe?g|webp)\b|/\S*\.[a-z]\w{1,4}\b|^\S*/\S*$", re.IGNORECASE)
A_NUMBER = re.compile(r"(output|image|figure)[\W\d]*", re.IGNORECASE)  # alone, as tools number what they leave

# Changes that take their time are made at once; what screen readers read of a formula has a width, and is not seen.
STILL = "* { animation: none !important; transition: none !important } mjx-assistive-mml { display: none !important }"
OPENED = "() => document.querySelectorAll('details').forEach((each) => (each.open = true))"
SETTLED = """async () => {
  const late = new Promise((done) => setTimeout(done, 20000));  // what never ends is seen by what it did not draw
  if (window.MathJax && MathJax.startup) await Promise.race([MathJax.startup.promise, late]);
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
}"""

# Two frames later pictures have taken the source that the media ask for.
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"

# Names of elements in messages, and whether a reader sees them at all.
TOOLS = """
const text = (e) => e.textContent.trim().replace(/\\s+/g, ' ').slice(0, 40);
const named = (e) => [e.tagName.toLowerCase(), ...[...e.classList].slice(0, 3)].join('.') + ' "' + text(e) + '"';
const HIDDEN = 'mjx-assistive-mml, .visually-hidden, .sr-only';
const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(HIDDEN);
const cuts = (e) => !['BODY', 'HTML'].includes(e.tagName) && getComputedStyle(e).overflowX !== 'visible';
const scrolled = (e) => Boolean(e.parentElement) && (cuts(e.parentElement) || scrolled(e.parentElement));
"""

CLIPPED = f"""() => {{ {TOOLS}
  const article = document.querySelector('article, main') || document.body;
  const right = article.getBoundingClientRect().right;
  const over = (e) => Math.round(e.getBoundingClientRect().right - right);
  const all = [...article.querySelectorAll('*')].filter((e) => seen(e) && !e.parentElement.closest('mjx-container'));
  const clipped = all.filter((e) => cuts(e) && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1);
  const outside = all.filter((e) => !scrolled(e) && over(e) > 1);
  return [
    ...clipped.map((e) => `${{named(e)}} shows ${{e.clientWidth}} of ${{e.scrollWidth}} pixels`),
    ...outside.map((e) => `${{named(e)}} sticks out by ${{over(e)}} pixels`),
  ];
}}"""

WIDER = f"""() => {{ {TOOLS}
  const width = document.documentElement.clientWidth, page = document.documentElement.scrollWidth;
  const place = (e) => e.getBoundingClientRect();
  const laid = (e) => getComputedStyle(e).position !== 'fixed' && !e.closest('dialog');
  const out = (e) => place(e).right > width + 1 && place(e).left >= 0;
  const over = [...document.body.querySelectorAll('*')].filter((e) => seen(e) && !scrolled(e) && out(e) && laid(e));
  const told = over.slice(0, 5).map((e) => `${{named(e)}} sticks out`);
  return page > width ? [`the page is ${{page}} pixels wide`, ...told] : told;
}}"""

SHRUNK = f"""() => {{ {TOOLS}
  const drawn = (e) => Math.round(e.getBoundingClientRect().width);
  const small = [...document.images].filter((e) => seen(e) && drawn(e) < {LEGIBLE} * e.naturalWidth);
  return small.map((e) => `an image of ${{e.naturalWidth}} pixels is drawn on ${{drawn(e)}}: ${{e.alt.slice(0, 40)}}`);
}}"""

MATHEMATICS = """() => {
  const count = (selector) => document.querySelectorAll(selector).length;
  const asked = count('.math'), drawn = count('.math mjx-container');
  const wrong = [...document.querySelectorAll('mjx-merror, [data-mjx-error]')];
  const told = wrong.map((e) => 'an error in ' + e.textContent.slice(0, 60));
  return drawn < asked ? [`${asked} formulas, ${drawn} drawn`, ...told] : told;
}"""

HEAD = """async () => {
  const faults = [];
  const said = document.querySelector('meta[name=description]');
  if (!said || said.content.trim().length < 40) faults.push('no description');
  const icon = document.querySelector('link[rel~=icon]');
  if (!icon || !(await fetch(icon.href)).ok) faults.push('no favicon');
  if (!document.documentElement.lang) faults.push('no language');
  if (!document.title) faults.push('no title');
  return faults;
}"""

# Of an interactive figure: all shapes, places, pictures and words of its panels, and its table; no control.
DRAWN = """(figure) => [
  ...[...figure.querySelectorAll('.panels *')].map((e) => ['d', 'transform', 'src'].map((of) => e.getAttribute(of))),
  ...[...figure.querySelectorAll('.panels text, table')].map((e) => e.textContent),
].join('|')"""


@dataclass
class Visit:
    """A page that was opened with an empty cache."""

    page: Page
    address: str  # of the book
    said: list[str] = field(default_factory=list)  # errors and warnings of its console
    asked: list[str] = field(default_factory=list)  # addresses elsewhere
    loaded: dict[str, int] = field(default_factory=dict)  # address -> bytes


@contextmanager
def visit(browser: Browser, address: str, name: str) -> Iterator[Visit]:
    """Open a page of the book at that address, on a desk and in daylight."""
    context = browser.new_context(viewport=DESK, color_scheme="light")
    page = context.new_page()
    seen = Visit(page, address)
    page.on("console", lambda told: told.type in ("error", "warning") and seen.said.append(told.text))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("request", lambda request: seen.asked.append(request.url) if _elsewhere(request.url, address) else None)
    page.on("response", lambda answer: _weigh(answer, seen))
    try:
        page.goto(address + name, wait_until="load")
        page.evaluate(SETTLED)
        yield seen
    finally:
        context.close()


def _elsewhere(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


def _weigh(answer, seen: Visit) -> None:
    if answer.status >= 400:
        seen.said.append(f"{answer.status}: {answer.url}")
    seen.loaded[answer.url] = int(answer.headers.get("content-length", 0))


def survey(browser: Browser, address: str, name: str) -> dict[str, list[str]]:
    """Check -> faults, for the checks that found any."""
    with visit(browser, address, name) as seen:
        page = seen.page
        found = {
            "head": page.evaluate(HEAD),
            "mathematics": page.evaluate(MATHEMATICS),
            "alternative texts": alternative_texts(page),
            "weight": weight(seen),
        }
        page.evaluate(OPENED)
        found["motion"] = moving(page)
        page.add_style_tag(content=STILL)
        found["clipped"] = page.evaluate(CLIPPED)
        found["accessibility"] = axe(page, AXE)
        page.set_viewport_size(PHONE)
        found["phone"] = page.evaluate(WIDER) + page.evaluate(SHRUNK)
        page.set_viewport_size(DESK)
        page.emulate_media(color_scheme="dark")
        found["slabs"] = slabs(page)
        found["contrast in the dark"] = axe(page, CONTRAST)
        found["console"] = list(dict.fromkeys(seen.said))
        found["foreign"] = list(dict.fromkeys(seen.asked)) + addresses(page.context.request.get(address + name).text())
    return {check: faults for check, faults in found.items() if faults}


def weight(seen: Visit) -> list[str]:
    """What a page loads, where it is too much, with its heaviest parts."""
    total = sum(seen.loaded.values())
    if total < HEAVIEST:
        return []
    heaviest = sorted(seen.loaded.items(), key=lambda item: -item[1])[:6]
    parts = ", ".join(f"{url.removeprefix(seen.address)} {size / 1e6:.2f}" for url, size in heaviest)
    return [f"{total / 1e6:.2f} MB, of these {parts}"]


def alternative_texts(page: Page) -> list[str]:
    """Images without words, or with the name of a file for words; those for readers without scripts, too."""
    found = page.evaluate("() => [...document.images].map((i) => [i.getAttribute('src') || '', i.getAttribute('alt')])")
    for still in page.evaluate("() => [...document.querySelectorAll('noscript')].map((each) => each.textContent)"):
        found += _Images(still).found
    return [f"{source[:60]}: {alt!r}" for source, alt in found if not is_alternative(alt)]


def moving(page: Page) -> list[str]:
    """Pictures that move where a reader's system asks for less motion."""
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(TWO_FRAMES)
    page.evaluate(SETTLED)
    shown = page.evaluate("() => [...document.images].map((image) => image.currentSrc)")
    page.emulate_media(reduced_motion="no-preference")
    films = [url for url in dict.fromkeys(shown) if url.endswith((".gif", ".webp")) and _frames(page, url) > 1]
    return [f"{url.rpartition('/')[2]} moves" for url in films]


def _frames(page: Page, url: str) -> int:
    answer = page.context.request.get(url)
    return getattr(Image.open(io.BytesIO(answer.body())), "n_frames", 1)


def is_alternative(text: str | None) -> bool:
    """Whether words stand for an image."""
    words = (text or "").strip()
    return len(words.split()) >= 2 and not A_PATH.search(words) and not A_NUMBER.fullmatch(words)


def unmoved(page: Page) -> list[str]:
    """Sliders that keys do not move, and controls that leave what their figure draws as it was."""
    faults = []
    for figure in page.locator(".dot-figure").all():
        name = figure.get_attribute("id")
        for slider in figure.locator("input[type=range]").all():
            faults += [f"{name}: {fault}" for fault in _slid(page, figure, slider)]
        for choice in figure.locator("select").all():
            before, now = figure.evaluate(DRAWN), choice.input_value()
            choice.select_option(index=0 if now != "0" else 1)
            if figure.evaluate(DRAWN) == before:
                faults.append(f"{name}: a list is changed and draws nothing new")
    return faults


def _slid(page: Page, figure: Locator, slider: Locator) -> list[str]:
    """What is wrong with a slider that is moved to its first, second and last position."""
    seen = []
    slider.focus()
    for key in ("Home", "ArrowRight", "End"):
        page.keyboard.press(key)
        seen.append((slider.input_value(), slider.get_attribute("aria-valuetext"), figure.evaluate(DRAWN)))
    places, names, drawn = zip(*seen, strict=True)
    faults = [] if places == ("0", "1", slider.get_attribute("max")) else [f"keys move a slider to {places}"]
    faults += [] if names[0] != names[1] != names[2] else [f"positions of a slider are called {names}"]
    return faults + ([] if drawn[0] != drawn[2] else ["a slider is moved and draws nothing new"])


class _Images(HTMLParser):
    """(address, alternative text) of the images of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[list[str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append([dict(attrs).get("src") or "", dict(attrs).get("alt")])


class _Addresses(HTMLParser):
    """Addresses elsewhere in a page: in attributes that are no link for a reader to follow, in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        for name, value in attrs:
            followed = (tag, name) in {("a", "href"), ("area", "href")} or name.startswith("xmlns")
            if value and not followed and (hit := FOREIGN.search(value)):
                self.found.append(f"<{tag} {name}>: {hit[0].strip()}")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside in ("script", "style"):
            self.found += [f"<{self.inside}>: {hit.strip()}" for hit in FOREIGN.findall(data)]


def addresses(html: str) -> list[str]:
    """Addresses elsewhere that a page holds, whether or not it asks for them."""
    return list(dict.fromkeys(_Addresses(html).found))


def slabs(page: Page) -> list[str]:
    """Images whose rim is light, on a page that is dark."""
    faults = []
    for image in page.locator("article img, .dot-figure .panels").all():
        if image.is_visible() and (level := rim(image.screenshot())) > SLAB:
            faults.append(f"{(image.get_attribute('src') or '')[:60]}: grey level {level:.0f}")
    return faults


def rim(png: bytes) -> float:
    """Median grey level of the outermost pixels of a picture."""
    picture = Image.open(io.BytesIO(png)).convert("L")
    width, height = picture.size
    across = [(x, y) for x in range(width) for y in (1, height - 2)]
    down = [(x, y) for y in range(height) for x in (1, width - 2)]
    return median(picture.getpixel(place) for place in across + down)


def axe(page: Page, options: dict) -> list[str]:
    """What axe-core finds: rule, how often, the first place."""
    found = Axe().run(page, options=options).response["violations"]
    return [f"{rule['id']}, {len(rule['nodes'])} times: {rule['nodes'][0]['html'][:120]}" for rule in found]
