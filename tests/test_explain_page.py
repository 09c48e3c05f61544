"""The page of an explanation: what is in it, and, in a real browser, that it can be played with."""

import html.parser
import json
import re

import numpy as np
import pytest
from browser import set_window, start_browser
from cases import COMPILED, Case, draw
from refusals import refused
from test_explain_views import example

import fastbp
from fastbp.explaining.layout import LABEL_HEIGHT, LABEL_WIDTH, RADIUS, lay_out
from fastbp.explaining.page import label, page

# ---------------------------------------------------------------- the file


class Links(html.parser.HTMLParser):
    """Collects every attribute that would fetch something."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.found += [value for name, value in attrs if name in ("src", "href", "data", "action", "poster")]


def page_of(case, **options):
    problem = draw(case)
    return page(problem.net.explain(problem.X[0], problem.T[0], **options))


@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_the_file_is_self_contained(notation, tmp_path):
    ex = example().explain([1, 0.5], [1], 0.5, notation)
    ex.save_html(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    links = Links()
    links.feed(text)
    assert links.found == []
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"/\*(title|style|script|data)\*/", text)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [step["kind"] for step in data["steps"]] == [
        "start", "forward", "forward", "forward", "error", "backward", "backward", "backward", "gradient", "update"
    ]  # fmt: skip
    assert [step["layer"] for step in data["steps"] if step["kind"] == "backward"] == [3, 2, 1]
    assert [unit["z"] for unit in data["units"]] == [unit.z for unit in ex.units]
    assert [edge["value"] for edge in data["edges"]] == [p.value for p in ex.gradient.values()]
    arrives = [unit["signal"] for unit in data["units"][2:6]]
    expected = [unit.arrives if notation == "neurons" else unit.delta for unit in ex.units[2:6]]
    assert arrives == pytest.approx(expected, rel=1e-14)


def test_names_of_a_user_are_escaped():
    own = fastbp.Activation("</script><b>", lambda a: a * a, lambda a: 2 * a)
    net = fastbp.Network((1, 2, 1), activation=own, seed=0)
    text = page(net.explain([1.0], [0.0]))
    assert text.count("</script>") == 2
    assert "<b>" not in re.sub(r'id="data">.*?</script>', "", text, flags=re.DOTALL)


def test_every_network_has_a_page():
    cases = [
        Case((2, 3, 2), "relu", "softmax", "cross_entropy"),
        Case((3, 2, 2, 2), "gelu", "softmax", "sse", skip="all"),
        Case((1, 1), bias=False),
    ]
    for case in cases:
        for notation in ("bishop", "layers", "neurons"):
            assert "backward" in page_of(case, notation=notation)
    edges = [(0, 2), (1, 2), (0, 3), (2, 3), (3, 4), (2, 4), (2, 5), (4, 5)]
    net = fastbp.Network.from_edges(2, 2, edges, seed=0, dtype="float32")
    assert "backward" in page(net.explain([1, 0.5], [1, 0]))


def test_networks_that_are_too_large_to_draw():
    net = fastbp.Network((100, 120, 1), seed=0)
    ex = net.explain(np.ones(100), [0.0])
    refused(lambda: ex.save_html("page.html"), "net", "200")
    refused(lambda: ex.save_html(3), "path")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (-0.0123456, "-0.012"), (3.2e-9, "3.2e-09"), (0.0, "0.000"), (-12345.6, "-1.2e+04"), (None, "")],
)
def test_labels_are_short(value, text):
    assert label(value) == text and len(text) <= 8


@pytest.mark.parametrize("sizes", [(2, 2, 2, 1), (12, 12, 12, 12, 12, 12), (1, 12, 3), (3, 3)], ids=str)
def test_nothing_overlaps_in_the_layout(sizes):
    layout = lay_out(fastbp.Network(sizes, seed=0))
    boxes = [(x, y, RADIUS, RADIUS) for x, y in layout.units]
    boxes += [(*place, LABEL_WIDTH / 2, LABEL_HEIGHT / 2) for place in layout.labels if place]
    for k, (x, y, w, h) in enumerate(boxes):
        assert w <= x <= layout.width - w and h <= y <= layout.height - h
        for x_2, y_2, w_2, h_2 in boxes[:k]:
            assert abs(x - x_2) >= w + w_2 or abs(y - y_2) >= h + h_2
    if sizes == (2, 2, 2, 1):
        assert all(layout.labels)


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser():
    if not COMPILED:
        pytest.skip("the page is the same")
    driver = start_browser()
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page; at the end there must be no word on the console, and nothing was fetched."""

    def open_page(ex, width=1280, height=900, **options):
        ex.save_html(tmp_path / "page.html")
        set_window(browser, width, height, **options)
        browser.get((tmp_path / "page.html").as_uri())
        return browser

    browser.get_log("browser"), browser.get_log("performance")
    yield open_page
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:")) for url in sent)


def css(driver, selector):
    return driver.find_element("css selector", selector)


def text_of(driver, selector):
    return " ".join(css(driver, selector).text.split())


def press(driver, key):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(key).perform()


@pytest.mark.compiled_only
def test_steps_and_clicks(opened):
    ex = example().explain([1, 0.5], [1], 0.5)
    driver = opened(ex)
    titles = [text_of(driver, "#title")]
    for _ in range(9):
        css(driver, "#forward").click()
        titles.append(text_of(driver, "#title"))
    expected = ["The sample", *(f"Forward: layer {k}" for k in (1, 2, 3)), "Error"]
    expected += [*(f"Error signal: layer {k}" for k in (3, 2, 1)), "Gradient", "Update"]
    assert titles == [f"{k} of 10: {title}" for k, title in enumerate(expected, 1)]
    assert "+0.504475" in text_of(driver, "#step")
    css(driver, "[data-unit='2']").click()
    selection = text_of(driver, "#selection")
    assert "Unit 2 (logistic)" in selection and "= +0.400000" in selection and "= -0.008949" in selection
    css(driver, "summary").click()
    assert "only i = j stays" in css(driver, "pre").text
    driver.execute_script("document.querySelector(\"[data-edge='3-5'] .hit\").dispatchEvent(new Event('click', "
                          "{bubbles: true}))")  # fmt: skip
    selection = text_of(driver, "#selection")
    assert "Connection 3" in selection and "+0.014559" in selection and "+0.892720" in selection


@pytest.mark.compiled_only
def test_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    driver = opened(example().explain([1, 0.5], [1], 0.5, "neurons"))
    press(driver, Keys.END)
    assert text_of(driver, "#title") == "10 of 10: Update"
    press(driver, Keys.ARROW_LEFT)
    assert text_of(driver, "#title") == "9 of 10: Gradient"
    press(driver, Keys.HOME)
    assert text_of(driver, "#title") == "1 of 10: The sample"
    slider = css(driver, "#slider")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert text_of(driver, "#title") == "3 of 10: Forward: layer 2"
    reached = set()
    for _ in range(18):
        press(driver, Keys.TAB)
        reached.add(driver.switch_to.active_element.get_attribute("aria-label"))
    assert {"unit f1, logistic", "connection from x1 to f1"} <= reached
    press(driver, Keys.ENTER)
    assert css(driver, "#selection h3").text
    press(driver, Keys.ESCAPE)
    assert css(driver, "#selection").text == ""


@pytest.mark.compiled_only
def test_the_error_signal_travels_back(opened):
    """A dot on each connection from a unit that is fed moves to the unit whose delta comes of it."""
    driver = opened(example().explain([1, 0.5], [1], 0.5), still=False)
    driver.execute_script("document.getElementById('slider').value = 5;"
                          "document.getElementById('slider').dispatchEvent(new Event('input'))")  # fmt: skip
    assert text_of(driver, "#title") == "6 of 10: Error signal: layer 3"
    places = driver.execute_async_script(
        """const done = arguments[0], seen = [];
        document.getElementById("forward").click();
        const look = () => {
          const dots = [...document.querySelectorAll(".pulse")];
          if (dots.length) seen.push(dots.map((dot) => Number(dot.getAttribute("cx"))));
          if (dots.length || !seen.length) setTimeout(look, 30); else done(seen);
        };
        look();"""
    )
    assert {len(place) for place in places} == {2}  # 4 -> 6 and 5 -> 6
    first = [place[0] for place in places]
    assert first == sorted(first, reverse=True) and first[0] > first[-1]
    assert driver.execute_script("return document.querySelectorAll('.unit.active').length") == 2


OVERLAPS = """
const boxes = [...document.querySelectorAll("svg text")].filter((t) => t.textContent)
  .map((t) => [t.textContent, t.getBoundingClientRect()]);
const svg = document.getElementById("net").getBoundingClientRect(), bad = [];
boxes.forEach(([text, a], k) => {
  if (a.left < svg.left || a.right > svg.right || a.top < svg.top || a.bottom > svg.bottom) bad.push("outside " + text);
  for (const [other, b] of boxes.slice(0, k))
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
      bad.push(text + " on " + other);
});
return bad;
"""


@pytest.mark.compiled_only
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_texts_neither_overlap_nor_leave_the_page(opened, width, dark):
    for case in (Case((2, 2, 2, 1), "logistic", "logistic"), Case((12, 12, 12, 12, 12, 12), "tanh", seed=1)):
        problem = draw(case)
        ex = problem.net.explain(problem.X[0], problem.T[0], 0.1)
        driver = opened(ex, width, 850, dark=dark, phone=width < 500)
        for step in range(0, len(ex.layers) * 2 + 4, 3):
            driver.execute_script(f"const s = document.getElementById('slider'); s.value = {step};"
                                  "s.dispatchEvent(new Event('input'))")  # fmt: skip
            assert driver.execute_script(OVERLAPS) == []
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width  # no scrolling sideways but in the drawing
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(21, 24, 29)" if dark else "rgb(255, 255, 255)")
