"""Pictures: each shows the numbers it is about, returns its axes, and can be read on light and dark ground."""

import numpy as np
import pytest
from cases import COMPILED, blobs
from refusals import refused
from test_explain_views import example

import fastbp

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_rgba  # noqa: E402
from matplotlib.patches import Circle  # noqa: E402

from fastbp import plots  # noqa: E402
from fastbp.plots.axes import DARK, LIGHT  # noqa: E402


@pytest.fixture(params=["default", "dark_background"])
def ax(request):
    with pyplot.style.context(request.param):
        figure = pyplot.figure(layout="constrained")
        yield figure.subplots()
        figure.canvas.draw()
        pyplot.close(figure)


@pytest.fixture(scope="module")
def classifier():
    X, T = blobs(60)
    net = fastbp.Network((2, 4, 3), output="softmax", loss="cross_entropy", seed=0)
    recorder = plots.Recorder(X, T)
    history = net.fit(X, T, epochs=12, learning_rate=0.05, seed=0, validation=(X, T), callback=recorder)
    return net, X, T, recorder, history


def texts(axes):
    return [text.get_text() for text in axes.texts]


def luminance(colour):
    return np.dot(to_rgba(colour)[:3], [0.299, 0.587, 0.114])


def explained():
    return example().explain([1, 0.5], [1], 0.5)


def test_network_shows_weights_and_deltas(ax):
    ex = explained()
    assert plots.network(ex, ax=ax) is ax
    (lines,) = ax.collections
    weights = ex.numbers.weights
    widths = np.asarray(lines.get_linewidths())
    assert np.array_equal(np.argsort(widths), np.argsort(np.abs(weights)))
    colours = lines.get_colors()
    assert len({tuple(colour[:3]) for colour in colours[weights > 0]}) == 1
    assert tuple(colours[0][:3]) != tuple(colours[1][:3])  # +0.5 and -0.4
    circles = [patch for patch in ax.patches if isinstance(patch, Circle)]
    assert len(circles) == 7
    shown = texts(ax)
    assert {"0", "6", "1.20", "-0.80", "-0.12", "0.023"} <= set(shown)  # units, weights, deltas
    assert_readable(ax, circles)


def assert_readable(ax, circles):
    """Each unit's number stands out from its colour, and each colour of z has its sign."""
    for circle, text in zip(circles, [t for t in ax.texts if t.get_text().isdecimal()], strict=True):
        assert abs(luminance(circle.get_facecolor()) - luminance(text.get_color())) > 0.35


def test_texts_do_not_overlap(ax):
    plots.network(explained(), ax=ax)
    ax.figure.set_size_inches(6, 3.4)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    for k, box in enumerate(boxes):
        assert ax.figure.bbox.x0 <= box.x0 and box.x1 <= ax.figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:k]), ax.texts[k].get_text()


def test_network_alone_and_irregular(ax):
    net = fastbp.Network.from_edges(2, 1, [(0, 2), (1, 2), (2, 3), (0, 3)], seed=0)
    plots.network(net, ax=ax)
    assert len(ax.collections[0].get_paths()) == 4
    before = len(ax.texts)
    plots.network(net.explain([1.0, 2.0], [0.5]), show="z", ax=ax)
    assert len(ax.texts) > 2 * before - 4
    large = fastbp.Network((12,) * 6, seed=0)
    assert len(plots.network(large, ax=ax).texts) == len(ax.texts)
    deep = fastbp.Network((1,) * 300, seed=0)
    refused(lambda: plots.network(deep, ax=ax), "net", "200")
    refused(lambda: plots.network("net"), "source")
    refused(lambda: plots.network(net, show="y"), "show")


def test_large_networks_and_names(ax):
    net = fastbp.Network((61, 128, 10), output="softmax", loss="cross_entropy", seed=0)
    names = [*(f"pixel $_{k}" for k in range(61)), *(f"digit {k}" for k in range(10))]
    plots.network(net, names=names, ax=ax)
    shown = texts(ax)
    assert {"12 of 61", "12 of 128", "digit 9"} <= set(shown)
    strongest = 61 + np.argsort(
        -np.hypot(*(np.linalg.norm(w, axis=k) for w, k in zip(net.weights, (1, 0), strict=True)))
    )
    assert {str(unit) for unit in strongest[:12]} <= set(shown) and str(strongest[12]) not in shown
    ax.clear()
    ex = net.explain(np.ones(61), np.eye(10)[3], names=names)
    plots.network(ex, ax=ax)
    assert {str(unit) for unit in 61 + np.argsort(-np.abs(ex.numbers.delta[61:189]), kind="stable")[:12]} <= set(
        texts(ax)
    )
    ax.clear()
    plots.network(ex, unit=70, ax=ax)
    shown = texts(ax)
    senders = np.argsort(-np.abs(net.weights[0][9]), kind="stable")[:12]
    assert {"70", "12 of 61", "1 of 128", "199", *(f"pixel $_{k}" for k in senders)} - {"199"} <= set(shown)
    assert len(ax.collections[0].get_paths()) == 12 + 10
    refused(lambda: plots.network(net, unit=199), "unit", "199")
    refused(lambda: plots.network(net, names=["a"]), "names", "61", "71")
    small = example()
    ax.clear()
    plots.network(small, unit=4, ax=ax)
    alphas = ax.collections[0].get_alpha()
    assert sum(alpha > 0.3 for alpha in alphas) == 3  # 2 -> 4, 3 -> 4, 4 -> 6


@pytest.mark.compiled_only
def test_frames_of_the_error_signal(tmp_path):
    from PIL import Image

    ex = explained()
    figures = plots.error_signal(ex)
    assert len(figures) == 4
    titles = [figure.axes[0].get_title() for figure in figures]
    assert "outputs" in titles[0] and "layer 2" in titles[1] and "inputs" in titles[-1]
    known = [sum("." in text for text in texts(figure.axes[0])) for figure in figures]
    assert known == [1, 3 + 2, 5 + 4, 5 + 4]  # deltas so far, and the products that have just arrived
    plots.save_error_signal(ex, tmp_path / "signal.gif")
    with Image.open(tmp_path / "signal.gif") as image:
        assert image.n_frames == 4
    refused(lambda: plots.save_error_signal(ex, "signal.png"), "path", "gif")
    refused(lambda: plots.error_signal(example()), "source")


def test_learning_curve(ax, classifier, tmp_path):
    history = classifier[-1]
    assert plots.learning_curve(history, title="blobs", loss_name="cross_entropy", ax=ax) is ax
    training, validation = ax.lines[:2]
    assert training.get_ydata().tolist() == history.loss
    assert validation.get_ydata().tolist() == history.validation_loss
    colours = DARK if luminance(ax.get_facecolor()) < 0.5 else LIGHT
    assert training.get_color() == colours.first
    plots.learning_curve(history, tmp_path / "curve.svg", "blobs", "cross_entropy")
    assert (tmp_path / "curve.svg").stat().st_size > 1000


def test_regression_and_residuals(ax):
    net = fastbp.Network((1, 1), init="zeros")
    net.params = [2.0, 1.0]
    X = np.linspace(-1, 1, 20)
    T = 4 * X + 1
    plots.regression(net, X, T, ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "y = 0.5 t +0.5,  R = 1.0000" in labels
    points = ax.collections[0].get_offsets()
    assert np.allclose(points, np.stack([T, 2 * X + 1], axis=1))
    ax.clear()
    plots.residuals(net, X, T, ax=ax)
    assert np.allclose(ax.collections[0].get_offsets(), np.stack([2 * X + 1, 2 * X], axis=1))
    constant = fastbp.Network((1, 1), init="zeros")
    plots.regression(constant, X, np.ones(20), ax=ax)
    refused(lambda: plots.regression(net, X, T, output=1), "output")


def test_confusion_matrix(ax, classifier):
    net, X, T, *_ = classifier
    plots.confusion_matrix(net, X, T, labels=["red", "green", "blue"], ax=ax)
    true, predicted = T.argmax(axis=1), net.forward(X).argmax(axis=1)
    counts = [int(((true == k) & (predicted == m)).sum()) for k in range(3) for m in range(3)]
    assert texts(ax) == [str(count) for count in counts]
    assert f"{(true == predicted).mean():.1%}" in ax.get_title()
    refused(lambda: plots.confusion_matrix(net, X, T, labels=["red"]), "labels", "3")
    ground, lightest = luminance(ax.get_facecolor()), luminance(ax.images[0].cmap(0.0))
    assert abs(ground - lightest) < 0.3  # a share of 0 has nearly the paper's colour, dark or light
    for numbers in (true, list(true), true.astype(float)):
        ax.clear()
        plots.confusion_matrix(net, X, numbers, ax=ax)
        assert texts(ax) == [str(count) for count in counts]
    for wrong in (true + 1, true - 1, true + 0.5):
        refused(lambda wrong=wrong: plots.confusion_matrix(net, X, wrong), "T", "0 to 2")
        refused(lambda wrong=wrong: plots.decision_boundary(net, X, wrong), "T", "0 to 2")
    one = fastbp.Network((2, 1), output="logistic", loss="binary_cross_entropy", seed=0)
    ax.clear()
    plots.confusion_matrix(one, X, T[:, 0], ax=ax)
    assert sum(map(int, texts(ax))) == 60


def test_decision_boundary(ax, classifier):
    net, X, T, *_ = classifier
    plots.decision_boundary(net, X, T, ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["class 0", "class 1", "class 2"]
    rows = [c.get_offsets().tolist() for c in ax.collections if len(c.get_offsets()) > 1]
    ax.clear()
    plots.decision_boundary(net, X, T.argmax(axis=1), ax=ax)
    assert rows == [c.get_offsets().tolist() for c in ax.collections if len(c.get_offsets()) > 1] != []
    one = fastbp.Network((2, 1), output="logistic", loss="binary_cross_entropy", init="zeros")
    one.params = [1.0, 0.0, 0.0]  # the boundary is x_0 = 0
    ax.clear()
    plots.decision_boundary(one, X, ax=ax)
    (boundary,) = [c for c in ax.collections if hasattr(c, "levels") and list(c.levels) == [0.5]]
    assert np.allclose(boundary.get_paths()[0].vertices[:, 0], 0.0, atol=1e-6)
    refused(lambda: plots.decision_boundary(fastbp.Network((3, 1)), X), "net", "two")


def test_histograms_over_epochs(ax, classifier):
    net, X, T, recorder, history = classifier
    assert len(recorder.weights) == len(recorder.gradients) == history.n_epochs
    assert np.array_equal(recorder.weights[-1], net.params)
    assert np.allclose(recorder.gradients[-1], net.gradient(X, T)[1] / 60)
    for of in ("weights", "gradients"):
        ax.clear()
        plots.histograms(recorder, of=of, ax=ax)
        assert np.allclose(ax.lines[1].get_ydata(), np.median(getattr(recorder, of), axis=1))
    refused(lambda: plots.histograms(recorder, of="deltas"), "of")
    refused(lambda: plots.histograms(plots.Recorder(X, T)), "recorder")


def test_importance_is_the_jacobian_of_a_linear_network(ax):
    net = fastbp.Network((3, 4, 5, 2), activation="identity", skip="all", seed=1)
    jacobian = net.input_gradient(np.zeros((1, 3)))[0]
    assert np.allclose(plots.olden(net), jacobian.T, rtol=1e-12)
    plots.importance(net, output=1, names=["a", "b", "c"], ax=ax)
    order = np.argsort(np.abs(jacobian[1]))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["abc"[i] for i in order]
    assert np.allclose([bar.get_width() for bar in ax.patches], jacobian[1][order])
    edges = [(0, 2), (1, 2), (0, 3), (2, 3), (3, 4), (2, 4), (2, 5), (4, 5)]
    irregular = fastbp.Network.from_edges(2, 2, edges, activation="identity", seed=0)
    assert np.allclose(plots.olden(irregular), irregular.input_gradient(np.zeros((1, 2)))[0].T)
    refused(lambda: plots.importance(net, output=2), "output")
    refused(lambda: plots.importance(net, names=["a"]), "names", "3")


def test_a_new_figure_where_no_axes_are_given(classifier):
    net, X, T, recorder, history = classifier
    made = [plots.network(net), plots.learning_curve(history), plots.confusion_matrix(net, X, T), plots.importance(net)]
    if COMPILED:
        made += [plots.decision_boundary(net, X, T), plots.histograms(recorder), plots.residuals(net, X, T)]
    assert len({id(axes.figure) for axes in made}) == len(made)
    pyplot.close("all")


def test_importing_plots_does_not_import_matplotlib():
    from subprocesses import start_python

    code = "import sys, fastbp.plots; assert 'matplotlib' not in sys.modules"
    assert start_python(code).returncode == 0
