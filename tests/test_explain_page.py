"""The page of an explanation: what is in it, and, in a real browser, that it can be played with."""

import html.parser
import json
import re

import numpy as np
import pytest
from browser import set_window, start_browser
from cases import COMPILED, Case, draw
from refusals import refused
from test_explain_views import example, sum_of_products

import fastbp
from fastbp.explaining.digits import Digits
from fastbp.explaining.equations import Equations
from fastbp.explaining.layout import LABEL_HEIGHT, LABEL_WIDTH, RADIUS, lay_out
from fastbp.explaining.names import NOTATIONS
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


def test_networks_that_are_too_deep_to_draw():
    net = fastbp.Network((1,) * 250, seed=0)
    refused(lambda: net.explain([1.0], [0.0]).save_html("page.html"), "net", "200", "unit")
    refused(lambda: net.explain([1.0], [0.0]).save_html(3), "path")
    assert len(data_of(net.explain([1.0], [0.0], unit=7))["units"]) == 3


def data_of(ex):
    return json.loads(re.search(r'id="data">(.*?)</script>', page(ex), re.DOTALL)[1])


def large_network(notation="bishop", unit=None):
    net = fastbp.Network((61, 128, 10), activation="relu", output="softmax", loss="cross_entropy", seed=0)
    names = [*(f"pixel_{k // 8}_{k % 8}" for k in range(61)), *(f"digit {k}" for k in range(10))]
    x = np.random.default_rng(0).normal(size=61)
    return net.explain(x, np.eye(10)[3], 0.1, notation, unit, names)


@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_of_large_networks_the_strongest_units_are_drawn(notation):
    ex = large_network(notation)
    data = data_of(ex)
    drawn = {unit["number"] for unit in data["units"] if unit["layer"] == 1}
    assert drawn == {61 + int(k) for k in np.argsort(-np.abs(ex.numbers.delta[61:189]), kind="stable")[:12]}
    assert [unit["layer"] for unit in data["units"]].count(0) == 12
    edges = {(data["units"][e["i"]]["number"], data["units"][e["j"]]["number"]): e["value"] for e in data["edges"]}
    assert len(edges) == 12 * 12 + 12 * 10
    assert edges == {ends: ex.gradient[ends].value for ends in edges}
    assert {"12 of 61", "12 of 128"} <= {word["text"] for word in data["words"]}
    assert "layer 1, relu" in str(data["steps"][0]["lines"])
    (forward,) = [step for step in data["steps"] if step["title"] == "Forward: layer 1"]
    assert "of 49 others" in forward["lines"][0][1] and len(forward["lines"]) == 12


@pytest.mark.parametrize("most", [1, 5, 12, 60])
def test_the_terms_that_are_shown_and_the_others_add_up(most):
    ex = large_network()
    equations = Equations(ex, NOTATIONS["bishop"](ex.numbers), Digits(17), most)
    for unit in (ex.units[61], ex.units[188], ex.units[190]):
        parts = equations.forward(unit.j).parts
        terms = " ".join(parts[: parts.index(f"= {unit.a:+.17f}")]).removeprefix("a = ")
        assert terms.count("*") == min(most, len(unit.terms))
        left = re.search(r"(\S+) of \d+ others", terms)
        total = sum_of_products(re.sub(r" of \d+ others", "", terms))
        assert total == pytest.approx(unit.a, rel=1e-12)
        assert bool(left) == (most < len(unit.terms))


@pytest.mark.parametrize(("widest", "drawn"), [(24, 24), (25, 12), (128, 12)])
def test_of_a_wide_layer_a_part_is_drawn(widest, drawn):
    """A column of more units would make a page that is a sliver, whatever the number of units in all."""
    for sizes in ((3, widest, 1), (widest, 3, 1), (3, 1, widest)):
        ex = fastbp.Network(sizes, seed=0).explain(np.ones(sizes[0]), np.ones(sizes[-1]))
        data = data_of(ex)
        assert len(data["units"]) == drawn + 4
        assert data["height"] < 2000
        assert (f"{drawn} of {widest}" in str(data["words"])) == (drawn < widest)


def test_a_unit_of_a_large_network_with_those_that_it_deals_with():
    data = data_of(large_network(unit=70))
    assert data["units"][data["selected"]]["number"] == 70
    assert [sum(unit["layer"] == layer for unit in data["units"]) for layer in (0, 1, 2)] == [12, 1, 10]
    assert len(data["edges"]) == 22
    assert [step["title"] for step in data["steps"]][1:3] == ["Forward: layer 1", "Forward: layer 2"]
    small = data_of(example().explain([1, 0.5], [1], unit=4))
    assert len(small["units"]) == 7 and small["selected"] == 4


def test_names_and_a_note_are_on_the_page(tmp_path):
    ex = example().explain([1, 0.5], [1], names=["rain <mm>", "a name that is far too long", "yield"])
    data = data_of(ex)
    assert [(word["text"], word["anchor"]) for word in data["words"]] == [
        ("rain <mm>", "end"), ("a name...o long", "end"), ("yield", "start")
    ]  # fmt: skip
    assert [unit["called"] for unit in data["units"]][:3] == ["rain <mm>", "a name that is far too long", ""]
    ex.save_html(tmp_path / "page.html", note="Row 3 of <plots.csv>")
    assert '<p id="note">Row 3 of &lt;plots.csv&gt;</p>' in (tmp_path / "page.html").read_text("utf-8")


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


SLIDER_IS_SEEN = """
const box = document.getElementById("slider").getBoundingClientRect();
const top = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
return box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight && top.id === "slider";
"""


@pytest.mark.compiled_only
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("unit", [None, 70])
def test_a_large_network_with_names_can_be_read(opened, width, unit):
    driver = opened(large_network(unit=unit), width, 850, phone=width < 500)
    for step in range(7):
        driver.execute_script(f"const s = document.getElementById('slider'); s.value = {step};"
                              "s.dispatchEvent(new Event('input'))")  # fmt: skip
        assert driver.execute_script(OVERLAPS) == []
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert driver.execute_script(SLIDER_IS_SEEN)
    assert ("Unit 70 (relu)" in text_of(driver, "#selection")) == (unit == 70)
    driver.execute_script("document.querySelector('.unit').dispatchEvent(new Event('click', {bubbles: true}))")
    assert "input pixel_" in text_of(driver, "#selection")


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
            assert driver.execute_script(SLIDER_IS_SEEN)
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(21, 24, 29)" if dark else "rgb(255, 255, 255)")
