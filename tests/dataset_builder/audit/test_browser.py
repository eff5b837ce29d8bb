"""The report in a real browser: no errors, no requests, filters, brush, keyboard, a burst that opens, hostile names, print."""

import os
import shutil

import pytest

from dataset_builder.audit.stage import write_audit
from manifests.schema import BURSTS
from manifests.store import labels_path
from tests.audit_dataset import SCENARIOS, change_rows, write_audit_dataset
from tests.hostile_texts import HOSTILE_TEXT, plant_texts

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = bool(os.environ.get("REQUIRE_BROWSER"))
"""Whether whoever runs the tests knows that there is one, so that nothing may be skipped."""
if REQUIRED:
    from playwright import sync_api as playwright
else:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install '.[dev]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None and not REQUIRED, reason="needs chromium on the PATH: apt-get install chromium"
    ),
]

HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=2">'


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "no chromium on the PATH, though one was promised: apt-get install chromium"
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = write_audit_dataset(tmp_path_factory.mktemp("browser") / "made-up")
    write_audit(folder)
    return folder


WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => window.refused.push(event.effectiveDirective + " " + event.blockedURI));
"""


class Visit:
    """A page with what it complained of and asked for."""

    def __init__(self, browser, root, **options):
        self.page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", **options)
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.add_init_script(WATCH)
        self.page.goto((root / "audit" / "index.html").as_uri())
        if options.get("java_script_enabled", True):
            self.page.wait_for_selector("html[data-ready]")

    def draw_all(self):
        self.page.evaluate("explore.showAll()")

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    def check_quiet(self):
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:"))] == []
        assert sum(url.startswith("file:") for url in self.requests) == 1


@pytest.fixture
def visit(browser, root):
    found = Visit(browser, root)
    yield found
    found.check_quiet()
    found.page.close()


def test_all_charts_are_drawn(visit):
    visit.draw_all()
    charts = visit.page.locator("[data-chart]")
    assert charts.count() >= 2 * len(SCENARIOS) + 4
    for place in range(charts.count()):
        assert charts.nth(place).locator("svg").count() == 1, charts.nth(place).get_attribute("data-chart")


def test_histograms_hold_every_score(visit):
    """Bars are as high as the counts that the manifest gives: 7 scored frames of each of 40 bursts."""
    counts = visit.page.evaluate(
        """page.sets.map((set, place) => charts.summarise(place, page.maskBursts()).sorted.length)"""
    )
    assert counts == [280] * 2 * len(SCENARIOS)
    visit.page.select_option("#filter-source", "beta")
    visit.page.select_option("#filter-split", "test")
    counts = visit.page.evaluate("charts.summarise(0, page.maskBursts()).sorted.length")
    assert counts == 70


def test_filters_narrow_charts_and_pictures(visit):
    assert visit.text("#filter-count") == "40 of 40 bursts, 320 frames"
    before = visit.page.locator(".burst:visible").count()
    visit.page.select_option("#filter-source", "alpha")
    assert visit.text("#filter-count") == "20 of 40 bursts, 160 frames"
    shown = visit.page.locator(".burst:visible .open").all_text_contents()
    assert 0 < len(shown) < before
    assert all(name.startswith("alpha") for name in shown)
    visit.page.select_option("#filter-scenario", "sr/other@x2")
    names = visit.page.locator("#scores .panel:visible figcaption").all_inner_texts()
    assert set(names) == {"sr/other@x2"}
    visit.page.click("#filters button[type=reset]")
    assert visit.text("#filter-count") == "40 of 40 bursts, 320 frames"
    assert visit.page.locator(".burst:visible").count() == before


def test_a_brush_selects_frames_everywhere(visit):
    visit.page.evaluate("document.getElementById('scores').scrollIntoView()")
    chart = visit.page.locator("[data-chart=histogram] svg").first
    chart.wait_for()
    box = visit.page.evaluate(
        "(() => { const b = document.querySelector('[data-chart=histogram] svg').getBoundingClientRect(); return [b.x, b.y, b.width]; })()"
    )
    mouse = visit.page.mouse
    mouse.move(box[0] + 40, box[1] + 40)
    mouse.down()
    mouse.move(box[0] + 0.5 * box[2], box[1] + 40, steps=4)
    mouse.up()
    visit.page.wait_for_selector("#brush-clear:visible")
    low, high, place = visit.page.evaluate("[page.state.brush.low, page.state.brush.high, page.state.brush.set]")
    expected = visit.page.evaluate(
        f"Array.from(page.values({place})).filter((value) => value >= {low} && value <= {high}).length"
    )
    assert 0 < expected < 280
    assert visit.text("#brush-text").startswith(f"{expected} frames selected")
    visit.page.click("#brush-clear")
    assert visit.text("#brush-text") == ""


def test_frames_are_selected_by_keyboard_alone(visit):
    visit.page.focus("#by-score-low")
    visit.page.keyboard.type("1")
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.type("9")
    visit.page.keyboard.press("Enter")
    expected = visit.page.evaluate("Array.from(page.values(page.state.brush.set)).filter((value) => value >= 1).length")
    assert visit.text("#brush-text").startswith(f"{expected} frames selected")
    assert visit.page.locator("#selected-frames .tile").count() > 0


def test_hovering_tells_the_count(visit):
    visit.page.evaluate("document.getElementById('scores').scrollIntoView()")
    visit.page.locator("[data-chart=histogram] svg").first.wait_for()
    box = visit.page.evaluate(
        "(() => { const b = document.querySelector('[data-chart=histogram] svg').getBoundingClientRect(); return [b.x, b.y, b.width]; })()"
    )
    visit.page.mouse.move(box[0] + 0.8 * box[2], box[1] + 50)
    tip = visit.page.locator("[data-chart=histogram] svg [aria-label=tip]").first
    assert "frames" in tip.text_content()


def test_a_burst_opens_with_frames_scores_and_factors(visit):
    visit.page.locator(".burst .open").first.focus()
    visit.page.keyboard.press("Enter")
    name = visit.text("#panel-title")
    assert name == visit.page.locator(".burst .open").first.text_content()
    assert visit.page.locator("#profile thead img").count() == 8
    rows = visit.page.locator("#profile tbody th").all_inner_texts()
    assert {row.split("\n")[0] for row in rows} >= {*SCENARIOS, "noise", "blur", "shift"}
    assert visit.text("#frame-caption") == "Frame 1"
    visit.page.keyboard.press("ArrowRight")
    assert visit.text("#frame-caption") == "Frame 2"
    visit.page.click("#next")
    assert visit.text("#panel-title") != name
    visit.page.keyboard.press("Escape")
    assert not visit.page.locator("#panel").is_visible()


def test_a_picture_of_a_contact_sheet_opens_its_frame(visit):
    tile = visit.page.locator(".sheet .tile").first
    tile.click()
    assert visit.text("#panel-title") == tile.get_attribute("data-open")
    assert visit.text("#frame-caption") == f"Frame {tile.get_attribute('data-frame')}"


def test_pictures_are_filled_before_printing(visit):
    visit.page.pdf()
    assert visit.page.locator("img[data-picture]:not([src])").count() == 0


def test_the_address_says_what_is_shown(visit, browser, root):
    """Filters, selected scores and the opened burst go into the address, and come out of it in another window."""
    visit.page.select_option("#filter-source", "beta")
    visit.page.fill("#by-score-low", "0.5")
    visit.page.press("#by-score-low", "Enter")
    visit.page.locator(".burst:visible .open").first.click()
    visit.page.keyboard.press("ArrowRight")
    assert "burst=beta-" in visit.page.evaluate("location.hash")
    other = browser.new_page()
    other.goto((root / "audit" / "index.html").as_uri() + visit.page.evaluate("location.hash"))
    other.wait_for_selector("html[data-ready]")
    for question in ("page.state", "bursts.shown()", "document.getElementById('filter-source').value"):
        assert other.evaluate(question) == visit.page.evaluate(question), question
    assert other.locator("#frame-caption").inner_text() == visit.text("#frame-caption")
    other.keyboard.press("Escape")
    assert "burst=" not in other.evaluate("location.hash")
    other.evaluate("location.hash = '#source=nowhere&burst=__proto__&label=x&from=y'")
    other.wait_for_function("page.state.source === ''")
    assert other.evaluate("bursts.shown()") is None
    other.close()


def test_histograms_have_a_count_axis(visit):
    visit.draw_all()
    axis = visit.page.locator("[data-chart=histogram] svg").first.locator("[aria-label='y-axis tick label'] text")
    counts = [int(text) for text in axis.all_text_contents()]
    assert counts[0] == 0
    assert len(counts) >= 2
    assert counts == sorted(counts)


def test_every_control_has_a_name(visit):
    unnamed = visit.page.evaluate(
        """[...document.querySelectorAll("button, select, input, a[href]")].filter((node) =>
            !(node.innerText || node.textContent || node.ariaLabel || "").trim() && !(node.labels && node.labels.length)
        ).map((node) => node.outerHTML)"""
    )
    assert unnamed == []
    assert visit.page.locator("img:not([alt])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(browser, root, scheme):
    """Contrast of the text colours against the page: at least 4.5, WCAG 2.2, success criterion 1.4.3."""
    visit = Visit(browser, root, color_scheme=scheme)
    ratios = visit.page.evaluate(
        """(() => {
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const luminance = (color) => {
                canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
                const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255);
                const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const style = getComputedStyle(document.documentElement);
            const paper = luminance(style.getPropertyValue("--paper"));
            return Object.fromEntries(["--ink", "--quiet", "--link", "--warning", "--good"].map((name) => {
                const text = luminance(style.getPropertyValue(name));
                return [name, (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05)];
            }));
        })()"""
    )
    assert all(ratio >= 4.5 for ratio in ratios.values()), ratios
    visit.page.close()


def test_hostile_names_are_text(browser, root, tmp_path):
    spoilt = shutil.copytree(root, tmp_path / "spoilt")
    change_rows(spoilt, BURSTS, lambda rows: [row.update(camera=HOSTILE, license=HOSTILE) for row in rows])
    (spoilt / labels_path("denoise/mean")).write_bytes(HOSTILE.encode())
    write_audit(spoilt)
    visit = Visit(browser, spoilt)
    visit.draw_all()
    assert visit.page.evaluate("window.hacked") is None
    visit.page.locator(".burst .open").first.click()
    assert visit.page.evaluate("window.hacked") is None
    assert "broken_manifest" in visit.text("#findings table")
    assert HOSTILE in visit.text("body")
    visit.check_quiet()
    visit.page.close()


def test_nothing_of_what_a_data_set_says_is_run_or_obeyed(browser, root, tmp_path):
    """Every text that the rules let a stranger choose, in tables and in dataset.json."""
    spoilt = shutil.copytree(root, tmp_path / "spoilt")
    plant_texts(spoilt)
    write_audit(spoilt)
    visit = Visit(browser, spoilt)
    visit.draw_all()
    charts = visit.page.locator("[data-chart]")
    assert charts.count() >= 2 * len(SCENARIOS) + 4
    assert all(charts.nth(place).locator("svg").count() == 1 for place in range(charts.count()))
    for opener in visit.page.locator(".burst .open").all()[:2]:
        opener.click()
        visit.page.keyboard.press("Escape")
    assert visit.page.evaluate("window.hacked") is None
    assert (
        visit.page.evaluate("window.refused") == []
    )  # the page's own code keeps to its policy, and there was no other
    assert HOSTILE_TEXT.splitlines()[0][:40] in visit.text("body")
    shown = visit.page.evaluate("document.documentElement.outerHTML")
    assert not set(shown) & set("\x1b\x07\u202e\u2066\x9b")
    visit.check_quiet()
    visit.page.close()


def test_the_policy_of_the_page_lets_no_other_script_run(browser, root):
    visit = Visit(browser, root)
    policy = visit.page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    visit.page.evaluate(
        """(() => {
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            const image = document.createElement("div");
            image.innerHTML = '<img src="data:x" onerror="window.hacked = 2"><a href="javascript:window.hacked=3">x</a>';
            document.body.append(script, image);
            image.querySelector("a").click();
        })()"""
    )
    visit.page.wait_for_function("window.refused.length >= 3")
    assert visit.page.evaluate("window.hacked") is None
    assert {refused.split()[0] for refused in visit.page.evaluate("window.refused")} <= {
        "script-src-elem",
        "script-src-attr",
    }
    visit.page.close()


@pytest.mark.slow
def test_without_script_sentences_and_tables_remain(browser, root):
    visit = Visit(browser, root, java_script_enabled=False)
    assert "No scene, photograph or frame" in visit.page.inner_text("#splits")
    assert visit.page.locator("#scenarios .matrix .cell").count() == len(SCENARIOS) ** 2
    visit.page.close()
