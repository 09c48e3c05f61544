"""What an explanation prints: digits of worked examples, the texts' rules, and terms that add up as printed."""

import re

import irregular
import numpy as np
import pytest
from cases import COMPILED, Case, draw

import fastbp

# A worked example, 2-2-2-1 with logistic units: all numbers that it prints, blanks aside.
EXAMPLE = """\
One sample through 2-2-2-1, logistic, squared_error.   x = [1, 0.5]   t = [1]
units: inputs 0 1, hidden 2 3 | 4 5, output 6
FORWARD    (5.48) a_j = sum_i w_ji z_i + b_j        (5.49) z_j = h(a_j)        h'(a_j) = z_j (1 - z_j)
unit 2   a = +0.500000*1.000000 -0.400000*0.500000 +0.1 = +0.400000    z = 0.598688    h' = 0.240261
unit 3   a = +0.300000*1.000000 +0.800000*0.500000 -0.2 = +0.500000    z = 0.622459    h' = 0.235004
unit 4   a = +0.700000*0.598688 -0.600000*0.622459 +0.05 = +0.095606    z = 0.523883    h' = 0.249430
unit 5   a = -0.500000*0.598688 +0.900000*0.622459 +0.15 = +0.410870    z = 0.601296    h' = 0.239739
unit 6   a = +1.200000*0.523883 -0.800000*0.601296 -0.1 = +0.047623    z = 0.511903    h' = 0.249858
E_n = 1/2 (y - t)^2 = 1/2 (0.511903 - 1)^2 = 0.119119
BACKWARD   (5.51) delta_j = dE_n/da_j
(5.56) delta_j = h'(a_j) sum_k w_kj delta_k,  k: the units that j feeds
unit 6   delta = h'(a_6) (y - t) = 0.249858 * -0.488097 = -0.121955
not (5.54): logistic with squared_error is no canonical pair, so h' stays
unit 5   delta = h'(a_5) [w_65 d_6] = 0.239739 [-0.800000*-0.121955] = 0.239739 * +0.097564 = +0.023390
unit 4   delta = h'(a_4) [w_64 d_6] = 0.249430 [+1.200000*-0.121955] = 0.249430 * -0.146346 = -0.036503
unit 3   delta = h'(a_3) [w_43 d_4 + w_53 d_5] = 0.235004 [-0.600000*-0.036503 +0.900000*+0.023390] = 0.235004 * \
+0.042953 = +0.010094
unit 2   delta = h'(a_2) [w_42 d_4 + w_52 d_5] = 0.240261 [+0.700000*-0.036503 -0.500000*+0.023390] = 0.240261 * \
-0.037247 = -0.008949
(5.53) dE_n/dw_ji = delta_j z_i     dE_n/db_j = delta_j        STEP w <- w - 0.5 dE_n/dw     CHECK central differences
from -> to      w_ji     delta_j  *     z_i  =  dE_n/dw_ji      new w_ji     check
4 -> 6     +1.200000   -0.121955 * +0.523883 = -0.063890      +1.231945    -0.063890
5 -> 6     -0.800000   -0.121955 * +0.601296 = -0.073331      -0.763334    -0.073331
bias -> 6     -0.100000   -0.121955             = -0.121955      -0.039023
2 -> 4     +0.700000   -0.036503 * +0.598688 = -0.021854      +0.710927    -0.021854
3 -> 4     -0.600000   -0.036503 * +0.622459 = -0.022722      -0.588639    -0.022722
bias -> 4     +0.050000   -0.036503             = -0.036503      +0.068252
2 -> 5     -0.500000   +0.023390 * +0.598688 = +0.014003      -0.507002    +0.014003
3 -> 5     +0.900000   +0.023390 * +0.622459 = +0.014559      +0.892720    +0.014559
bias -> 5     +0.150000   +0.023390             = +0.023390      +0.138305
0 -> 2     +0.500000   -0.008949 * +1.000000 = -0.008949      +0.504475    -0.008949
1 -> 2     -0.400000   -0.008949 * +0.500000 = -0.004475      -0.397763    -0.004475
bias -> 2     +0.100000   -0.008949             = -0.008949      +0.104475
0 -> 3     +0.300000   +0.010094 * +1.000000 = +0.010094      +0.294953    +0.010094
1 -> 3     +0.800000   +0.010094 * +0.500000 = +0.005047      +0.797476    +0.005047
bias -> 3     -0.200000   +0.010094             = +0.010094      -0.205047
"""
WHY = """\
From (5.55) to (5.56) for unit 2, which feeds units 4 and 5
delta_2 = dE_n/da_4 * da_4/da_2  +  dE_n/da_5 * da_5/da_2          chain rule over the units that 2 feeds
= delta_4   * da_4/da_2  +  delta_5   * da_5/da_2          that is what delta means
a_4 = w_42 z_2 + w_43 z_3 + b_4                      (5.48): all that arrives at 4
= w_42 h(a_2) + w_43 h(a_3) + b_4                (5.49): h is inside, once for each sender i
d/da_2 = w_42 h'(a_2) + 0 + 0                           a_3 and b_4 do not depend on a_2: only i = j stays
= +0.700000 * 0.240261 = +0.168183
da_5/da_2     = w_52 h'(a_2) = -0.500000 * 0.240261 = -0.120130
delta_2 = -0.036503 * +0.168183  +  +0.023390 * -0.120130 = -0.006139 -0.002810 = -0.008949
= h'(a_2) (w_42 delta_4 + w_52 delta_5)                    h'(a_2) is in every term: out of the sum
= 0.240261 (+0.700000 * -0.036503 + -0.500000 * +0.023390) = -0.008949
"""
NEURONS = """\
delta            = y - t                                  = -0.488097
delta_3          = delta g'(r_5) w_3,5                    = -0.488097 * 0.249858 * +1.2    = -0.146346
delta_4          = delta g'(r_5) w_4,5                    = -0.488097 * 0.249858 * -0.8    = +0.097564
delta_1          = delta_3 g'(r_3) w_1,3 + delta_4 g'(r_4) w_1,4
= -0.025552 -0.011695 = -0.037247
<- w_x1,1 - h delta_1 g'(r_1) x_1 = +0.500000 - 0.5 * -0.037247 * 0.240261 * 1.000000 = +0.504475
f_3 delta_3 g'(r_3) = -0.146346 * 0.249430 = -0.036503
f_1 delta_1 g'(r_1) = -0.037247 * 0.240261 = -0.008949
dE/dw_x1,1 = (y-t) g'(r_5) w_3,5 g'(r_3) w_1,3 g'(r_1) x_1 + (y-t) g'(r_5) w_4,5 g'(r_4) w_1,4 g'(r_1) x_1 \
= -0.006139 -0.002810 = -0.008949
that of w_x1,1 has g'(r_1), not g'(r_4)
"""
PATHS = """\
x_1 -> f_1 -> f_3 -> f_5     (y-t) g'(r_5) . w_3,5 g'(r_3) . w_1,3 g'(r_1) . x_1  =  -0.006139   69%
x_1 -> f_1 -> f_4 -> f_5     (y-t) g'(r_5) . w_4,5 g'(r_4) . w_1,4 g'(r_1) . x_1  =  -0.002810   31%
sum  =  -0.008949
the kernels  =  -0.008949
"""


def example():
    net = fastbp.Network((2, 2, 2, 1), activation="logistic", output="logistic")
    for view, values in zip(net.weights, ([0.5, -0.4, 0.3, 0.8], [0.7, -0.6, -0.5, 0.9], [1.2, -0.8]), strict=True):
        view[:] = np.reshape(values, view.shape)
    for view, values in zip(net.biases, ([0.1, -0.2], [0.05, 0.15], [-0.1]), strict=True):
        view[:] = values
    return net


def squeezed(text):
    return " ".join(text.split())


def assert_has(text, lines):
    found = squeezed(text)
    for line in lines.splitlines():
        assert squeezed(line) in found, line


def test_worked_example_digit_by_digit():
    net, sample = example(), ([1, 0.5], [1])
    ex = net.explain(*sample, learning_rate=0.5)
    assert_has(str(ex), EXAMPLE)
    assert_has(ex.why(2), WHY)
    neurons = net.explain(*sample, learning_rate=0.5, notation="neurons")
    assert_has(str(neurons), NEURONS)
    assert_has(str(neurons.paths("x1", "f1")), PATHS)
    assert repr(ex.why(2)) == ex.why(2)
    assert repr(neurons.paths("x1", "f1")) == str(neurons.paths("x_1", "f_1"))


def test_the_well_known_step_by_step_example():
    """The example of 2-2-2 and its published digits; it leaves the biases as they are."""
    net = fastbp.Network((2, 2, 2), activation="logistic", output="logistic")
    net.weights[0][:], net.weights[1][:] = [[0.15, 0.20], [0.25, 0.30]], [[0.40, 0.45], [0.50, 0.55]]
    net.biases[0][:], net.biases[1][:] = 0.35, 0.60
    sample = [0.05, 0.10], [0.01, 0.99]
    ex = net.explain(*sample, learning_rate=0.5)
    assert f"{ex.error:.9f}" == "0.298371109"
    published = {
        (0, 2): "0.149780716", (1, 2): "0.199561432", (0, 3): "0.249751144", (1, 3): "0.299502287",
        (2, 4): "0.358916480", (3, 4): "0.408666186", (2, 5): "0.511301270", (3, 5): "0.561370121",
    }  # fmt: skip
    printed = ex.text(digits=9)
    for ends, digits in published.items():
        assert f"{ex.gradient[ends].new_w:.9f}" == digits
        assert f"+{digits}" in printed
    net.edge_weights = [ex.gradient[i, j].new_w for i, j in net.edges.tolist()]
    assert f"{net.explain(*sample).error:.9f}" == "0.291027774"


# ---------------------------------------------------------------- the rules of the text on neurons


def rules_of_two_layers(n_0, n_1):
    """Each update rule of one hidden layer: name, and the factors after the learning rate."""
    out = n_1 + 1
    for A in range(1, n_1 + 1):
        yield f"w_{A},{out}", f"delta g'(r_{out}) g(r_{A})"
    yield f"b_{out}", f"delta g'(r_{out})"
    for B in range(1, n_1 + 1):
        yield f"b_{B}", f"delta_{B} g'(r_{B})"
        for A in range(1, n_0 + 1):
            yield f"w_x{A},{B}", f"delta_{B} g'(r_{B}) x_{A}"


def test_every_term_of_the_rules_of_two_layers():
    problem = draw(Case((3, 4, 1), "logistic", "logistic", seed=8))
    text = squeezed(problem.net.explain(problem.X[0], problem.T[0], 0.7, "neurons").text())
    for name, factors in rules_of_two_layers(3, 4):
        assert f"{name} <- {name} - h {factors} =" in text
    for B in range(1, 5):
        assert f"delta_{B} = delta g'(r_5) w_{B},5 =" in text
        for A in range(1, 4):
            assert f"dE/dw_x{A},{B} = (y-t) g'(r_5) w_{B},5 g'(r_{B}) x_{A} =" in text


def test_every_term_of_the_rules_of_three_layers():
    text = squeezed(example().explain([1, 0.5], [1], 0.5, "neurons").text())
    for A in (3, 4):
        assert f"w_{A},5 <- w_{A},5 - h delta g'(r_5) g(r_{A}) =" in text
    for A in (1, 2):
        for B in (3, 4):
            assert f"w_{A},{B} <- w_{A},{B} - h delta_{B} g'(r_{B}) g(r_{A}) =" in text
            assert f"dE/dw_{A},{B} = (y-t) g'(r_5) w_{B},5 g'(r_{B}) g(r_{A}) =" in text
        for x in (1, 2):
            assert f"w_x{x},{A} <- w_x{x},{A} - h delta_{A} g'(r_{A}) x_{x} =" in text
            ways = [f"(y-t) g'(r_5) w_{B},5 g'(r_{B}) w_{A},{B} g'(r_{A}) x_{x}" for B in (3, 4)]
            assert f"dE/dw_x{x},{A} = {ways[0]} + {ways[1]} =" in text


# ---------------------------------------------------------------- printed terms add up

NUMBER = r"[+-]?\d+\.?\d*(?:e[+-]\d+)?"


def sum_of_products(text):
    """The sum of what is printed as "+0.1*0.2 -0.3*0.4 +0.5"."""
    total = 0.0
    for term in text.split():
        factors = [float(factor) for factor in term.split("*")]
        total += np.prod(factors)
    return total


@pytest.mark.parametrize("seed", range(6 if COMPILED else 2))
def test_printed_terms_of_layers_add_up(seed):
    case = Case((3, 4, 3, 2), ["tanh", "logistic"], "logistic", skip="all" if seed % 2 else (), seed=seed)
    problem = draw(case)
    check_printed(problem.net, problem.X[:1], problem.T[:1])


@pytest.mark.parametrize("first", range(0, 100 if COMPILED else 3, 25 if COMPILED else 3))
def test_printed_terms_of_irregular_networks_add_up(first):
    for seed in range(first, first + (25 if COMPILED else 3)):
        net, X, T = irregular.build(irregular.draw(seed, n_units=14 if COMPILED else 8), seed)
        check_printed(net, X[:1], T[:1])


def check_printed(net, X, T):
    """What is printed to 17 digits adds up to a and delta, and multiplies to the kernels' gradient."""
    ex = net.explain(X[0], T[0])
    text = squeezed(ex.text(digits=17))
    for unit in ex.units[net.n_inputs :]:
        terms, a = re.search(rf"unit {unit.j} a = (.*?) = ({NUMBER}) z =", text).groups()
        assert sum_of_products(terms) == pytest.approx(float(a), rel=1e-12, abs=1e-13)
        assert float(a) == pytest.approx(unit.a, rel=1e-13, abs=1e-16)
        if unit.fed:
            found = re.search(rf"delta = h'\(a_{unit.j}\) \[[^\]]*\] = (\S+) \[(.*?)\] = \S+ \* \S+ = ({NUMBER})", text)
            slope, terms, delta = found.groups()
            assert float(slope) * sum_of_products(terms) == pytest.approx(float(delta), rel=1e-12, abs=1e-14)
            assert float(delta) == pytest.approx(unit.delta, rel=1e-13, abs=1e-16)
    _, gradient = net.gradient(X, T)
    derivatives = net.twin()
    derivatives.params = gradient
    for (i, j), expected in zip(net.edges.tolist(), derivatives.edge_weights, strict=True):
        row = rf" {i} -> {j} ({NUMBER}) ({NUMBER}) \* ({NUMBER}) = ({NUMBER}) "
        _, delta, z, value = map(float, re.search(row, text).groups())
        assert value == pytest.approx(expected, rel=1e-13, abs=1e-16)
        assert delta * z == pytest.approx(expected, rel=1e-12, abs=1e-15)


# ---------------------------------------------------------------- the other views

CASES = [
    Case((2, 3, 2), "tanh", "softmax", "cross_entropy"),
    Case((3, 4, 1), "gelu", "identity", "huber", skip="all"),
    Case((2, 3, 2), "own", "softmax", "squared_error"),
    Case((2, 3, 3), ["leaky_relu"], "exp", "poisson"),
]


def network_of(case):
    if case.activation != "own":
        return draw(case)
    own = fastbp.Activation("own_name", lambda a: a * a, lambda a: 2 * a)
    problem = draw(case._replace(activation="tanh"))
    net = fastbp.Network(case.sizes, activation=own, output=case.output, loss=case.loss)
    net.params = problem.net.params
    return problem._replace(net=net)


@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_views(case, notation):
    problem = network_of(case)
    ex = problem.net.explain(problem.X[0], problem.T[0], 0.1, notation)
    text = str(ex)
    assert max(map(len, text.splitlines())) <= 100
    assert max(map(len, ex.text(width=72).splitlines())) <= 101  # tables are not broken
    assert all(title in text for title in ("FORWARD", "ERROR", "GRADIENT", "NOTATION"))
    html = ex._repr_html_()
    assert html.count("<table") == html.count("</table>") >= 4
    assert "<sub>" in html and "_" not in re.sub(r"<[^>]*>|\w*(error|entropy|relu|name)\b|[a-z]+_[a-z]+", "", html)


@pytest.mark.compiled_only
@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_latex(notation):
    """Each formula is one that TeX's grammar, as matplotlib knows it, has."""
    problem = network_of(CASES[2])
    tex = problem.net.explain(problem.X[0], problem.T[0], 0.1, notation).latex()
    mathtext = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    inline = re.findall(r"\$(.*?)\$", tex, re.DOTALL)
    aligned = re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end", tex, re.DOTALL)
    lines = [line.removeprefix("&").removesuffix(r" \\") for block in aligned for line in block.splitlines()]
    assert len(inline) > 20 and len(lines) > 5
    # The parser takes its time.
    for formula in filter(str.strip, [*inline[:6], *inline[-9:], lines[0], lines[-1]]):
        mathtext.parse(f"${formula}$")
    plain = re.sub(r"\$.*?\$|\\begin\{align\*\}.*?\\end\{align\*\}", "", tex, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[_^%#]", plain)


def test_small_numbers_keep_their_digits():
    net = fastbp.Network((1, 1, 1), init="zeros")
    net.params = [1e-5, 3.21987e-4, 0, 0]
    text = str(net.explain([1.0], [1e-3]))
    assert "-3.220e-07" in text  # delta_1 to 4 significant digits
    assert "+1.000e-05" in text


def test_pairs_are_named():
    said = {
        ("logistic", "binary_cross_entropy"): "(5.54): logistic with binary_cross_entropy is a canonical pair, so h' "
        "cancels",
        ("logistic", "squared_error"): "not (5.54): logistic with squared_error is no canonical pair, so h' stays",
        ("identity", "squared_error"): "(5.54): identity with squared_error is a canonical pair: h' = 1",
        ("identity", "sse"): "h' = 1 of identity; what is left is the derivative of sse",
        ("softmax", "sse"): "softmax with sse is no canonical pair; each output depends on every a",
    }  # fmt: skip
    for (output, loss), text in said.items():
        problem = draw(Case((2, 3, 2), "tanh", output, loss))
        assert_has(str(problem.net.explain(problem.X[0], problem.T[0])), text)


def test_targets_that_are_no_probabilities():
    net = fastbp.Network((1, 2), output="softmax", loss="cross_entropy", init="zeros")
    ex = net.explain([1.0], [0.5, 0.25])
    assert_has(str(ex), "delta = y_1 sum_k t_k - t_1 = 0.500000 * 0.75 - 0.5 = -0.125000")
    assert ex.units[1].delta == -0.125


def test_units_and_inputs_alone():
    problem = draw(Case((2, 3, 2)))
    ex = problem.net.explain(problem.X[0], problem.T[0], notation="neurons", unit="f2")
    assert "f_2" in str(ex) and "unit f_1" not in str(ex)
    (_, of_input) = ex.text(unit="x1").split("INPUT")
    assert "Unit 0 is an input" in of_input and "2 to 6 are computed" in squeezed(of_input)
    gradient = problem.net.input_gradient(problem.X[:1], problem.net.forward(problem.X[:1]) - problem.T[:1])
    assert f"{gradient[0, 0]:+.6f}" in of_input


def test_why_of_outputs():
    problem = draw(Case((2, 3, 2), output="softmax", loss="cross_entropy"))
    ex = problem.net.explain(problem.X[0], problem.T[0])
    assert "is an output: no (5.56)" in ex.why(5) and "(5.54)" in ex.why(5)
    other = draw(Case((2, 3, 1), output="logistic"))
    ex = other.net.explain(other.X[0], other.T[0])
    assert f"= {ex.units[5].slope:.6f}" in ex.why(5)


def test_why_leaves_out_senders_that_do_not_matter():
    problem = draw(Case((2, 20, 1)))
    ex = problem.net.explain(problem.X[0], problem.T[0])
    assert "+ ..." in ex.why(9) and max(map(len, ex.why(9).splitlines())) <= 100


def test_many_outputs_show_the_largest_errors():
    net = fastbp.Network((1, 30), init="zeros")
    text = str(net.explain([1.0], np.arange(30.0)))
    assert "output 30 " in text and "output 3 " not in text and "of the others" in text


@pytest.mark.compiled_only
@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_a_hundred_columns_are_enough_for_wide_networks(notation):
    """Many inputs of many digits, many units, long names of functions: lines are broken, within a part if need be."""
    own = fastbp.Activation("a_function_with_a_rather_long_name", lambda a: a * a, lambda a: 2 * a)
    rng = np.random.default_rng(3)
    for sizes in ((12, 10, 3), (11, 14, 12, 10), (40, 130, 30, 12), (9, 8, 8, 8, 8, 8, 8, 8, 2)):
        activation = [own, *["tanh"] * (len(sizes) - 3)]
        net = fastbp.Network(sizes, activation=activation, output="softmax", loss="cross_entropy", seed=0)
        ex = net.explain(1e4 * rng.normal(size=sizes[0]) + 0.123456, np.eye(sizes[-1])[0], 0.0123456, notation)
        for unit in (None, 0, sizes[0], net.n_units - 1):
            lines = ex.text(unit=unit).splitlines()
            assert max(map(len, lines)) <= 100, max(lines, key=len)
