"""Explanations of a softmax: each output depends on every a, so that what is printed is no product with one slope."""

import re

import numpy as np
import pytest
from test_explain_views import NUMBER, squeezed, sum_of_products

import fastbp
from fastbp.explaining.digits import Digits
from fastbp.explaining.equations import Equations
from fastbp.explaining.names import NOTATIONS
from fastbp.explaining.page import page_data


def softmax_of(notation, loss, sizes=(3, 4, 3), targets=(1.0, 0.0, 0.0)):
    net = fastbp.Network(sizes, activation="tanh", output="softmax", loss=loss, seed=0)
    return net.explain(np.linspace(-1, 1, sizes[0]), targets, 0.1, notation)


def product_of(text):
    """What is printed as "-0.1 * 0.2 + +0.3 * -0.4", or "+0.1*0.2 -0.3*0.4"."""
    return sum_of_products(re.sub(r" \+ (?=[+-])", " ", text).replace(" * ", "*"))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_printed_products_of_a_softmax_equal_their_factors(notation, loss):
    ex = softmax_of(notation, loss)
    text, names = squeezed(ex.text(digits=17)), NOTATIONS[notation](ex.numbers)
    for k in (7, 8, 9):
        signal = f"{names.unit(k)} {Equations(ex, names, Digits()).delta_name(k)} = "
        numbers = re.search(rf"{re.escape(signal)}.*?({NUMBER})(?= unit| f_| not| \(5.54| GRADIENT)", text)[1]
        assert float(numbers) == pytest.approx(ex.units[k].delta, rel=1e-12)
    for (i, j), parameter in ex.gradient.items():
        ends = re.escape(f"{names.unit(i)} -> {names.unit(j)}")
        row = rf" {ends} {NUMBER} ({NUMBER}) \* ({NUMBER}) = ({NUMBER}) "
        delta, z, value = map(float, re.search(row, text).groups())
        assert delta * z == pytest.approx(value, rel=1e-12) and value == pytest.approx(parameter.value, rel=1e-12)
    for j in (3, 4, 5, 6):
        if notation == "neurons":
            numbers, total = re.search(rf"f_{j - 2} delta_{j - 2} = dE.*? = (.*?) = .*? = ({NUMBER}) ", text).groups()
            expected = sum(f.w_kj * f.delta_k for f in ex.units[j].fed)
        else:
            line = rf"unit {re.escape(names.unit(j))} \S+ = [^=]* = ({NUMBER}) \[(.*?)\] = \S+ \* \S+ = ({NUMBER}) "
            slope, numbers, total = re.search(line, text).groups()
            numbers, expected = " ".join(f"{slope}*{term}" for term in numbers.split()), ex.units[j].delta
        assert product_of(numbers) == pytest.approx(float(total), rel=1e-10)
        assert float(total) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_lines_that_leave_a_softmax_carry_the_number_at_its_units(notation, loss):
    data = page_data(softmax_of(notation, loss))
    units = {place: unit for place, unit in enumerate(data["units"]) if unit["layer"] == 2}
    edges = [edge for edge in data["edges"] if edge["j"] in units]
    assert len(edges) == 12
    for edge in edges:
        assert edge["back"] == pytest.approx(edge["w"] * units[edge["j"]]["signal"], rel=1e-12)


def test_a_softmax_has_no_slope_of_its_own():
    for loss in ("cross_entropy", "squared_error"):
        text = squeezed(str(softmax_of("neurons", loss)))
        text, _ = text.split("NOTATION")  # where the rules of another network are spoken of
        assert "g'(r_5)" not in text and "delta_5" not in text and text.count("softmax has no single g'") == 1
        assert "dE/dr_5 w_1,5" in text and "<- b_5 - h dE/dr_5 =" in text
        assert "delta_1 g'(r_1)" in text


def test_letters_of_sums_are_those_of_the_notation():
    """In layers, y is a target: an output within a sum is an a of the last layer."""
    for notation, product in {"bishop": "z_j z_k", "layers": "a a", "neurons": "g(r_j) g(r_k)"}.items():
        assert f"and -{product} for two of them" in squeezed(str(softmax_of(notation, "cross_entropy")))
    layers = squeezed(str(softmax_of("layers", "squared_error")))
    assert "sum_m a_2^m dE/da_2^m" in layers and "dy_m" not in layers and "y_m" not in layers
    assert "each output depends on every z" in layers
    assert "sum_m y_m dE_n/dy_m" in squeezed(str(softmax_of("bishop", "squared_error")))
    assert "sum_k y^k" in squeezed(str(softmax_of("layers", "cross_entropy", targets=(0.5, 0.25, 0.0))))
    wide = squeezed(str(softmax_of("layers", "cross_entropy", sizes=(3, 300, 3))))
    assert "lowest a highest a norm of dE/dz" in wide and "dead: sigma' = 0" in wide
