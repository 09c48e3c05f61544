"""TableEncoder, the word about scales, and what a History shows."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from cases import COMPILED
from matplotlib.image import imread

import fastbp
from fastbp.tables.preparing.scaling import centre_and_scale

COLUMNS = {
    "height": [1.5, None, 1.7, 1.9, 1.6] * 8,
    "sex": ["f", "m", None, "f", "m"] * 8,
    "member": [True, False, True, True, None] * 8,
    "when": pd.date_range("2020-01-01", periods=40).to_list(),
    "id": [f"person {k}" for k in range(40)],
}
NAMES = ["height", "height missing", "sex=f", "sex=m", "sex missing", "member", "member missing"]


def tables():
    as_pandas = pd.DataFrame(COLUMNS)
    return {
        "polars": pl.DataFrame(COLUMNS),
        "pandas": as_pandas,
        "categorical": as_pandas.astype({"sex": "category"}),
        "nullable": as_pandas.convert_dtypes(),
        "dict": COLUMNS,
    }


@pytest.mark.filterwarnings("ignore::fastbp.tables.cells.errors.TableWarning")
@pytest.mark.parametrize("kind", tables())
def test_tables_of_any_library(kind):
    encoder = fastbp.TableEncoder()
    X = encoder.fit_transform(tables()[kind])
    names = encoder.get_feature_names_out().tolist()
    assert names[: len(NAMES)] == NAMES
    assert all(name.startswith("when ") for name in names[len(NAMES) :])
    assert (X.dtype, X.shape) == (np.float32, (40, len(names)))
    assert list(encoder.left_out_) == ["id"]
    assert any("'id' left out" in note for note in encoder.notes_)
    np.testing.assert_allclose(X, fastbp.TableEncoder().fit_transform(tables()["polars"]), atol=1e-6)


def test_arrays():
    X = np.random.default_rng(0).normal(5, 3, (30, 2))
    np.testing.assert_allclose(fastbp.TableEncoder().fit_transform(X), (X - X.mean(0)) / X.std(0), atol=1e-5)
    mixed = np.array([[1.0, "a"], [2.5, "b"], [3.0, "a"]] * 5, dtype=object)
    assert fastbp.TableEncoder().fit(mixed).get_feature_names_out().tolist() == ["column_1", "column_2=a", "column_2=b"]


def robust_by_hand(x):
    """Scale a column as the paper writes it down."""
    ordered = np.sort(x)
    place = (len(x) - 1) * np.array([0.25, 0.5, 0.75])
    below = np.floor(place).astype(int)
    q = ordered[below] + (place - below) * (ordered[np.minimum(below + 1, len(x) - 1)] - ordered[below])
    factor = 1 / (q[2] - q[0]) if q[2] > q[0] else 2 / (ordered[-1] - ordered[0]) if ordered[-1] > ordered[0] else 0
    scaled = factor * (x - q[1])
    return scaled / (1 + (scaled / 3) ** 2) ** 0.5


def test_robust_scaling_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    mostly_zero = np.zeros(41)
    mostly_zero[:5] = rng.normal(size=5)
    X = np.column_stack([rng.standard_cauchy(41) * 100, mostly_zero, rng.integers(0, 9, 41)])
    encoder = fastbp.TableEncoder(scaling="robust")
    expected = np.column_stack([robust_by_hand(column) for column in X.T])
    found = encoder.fit_transform(X)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    later = np.array([[1e300, 0, 8], [-1e-300, 0, 7]])
    with pytest.warns(UserWarning, match=r"'column_1': 1e\+300 in row 1 is far outside of the training range"):
        assert encoder.transform(later)[0].tolist()[:2] == [3.0, 0.0]


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e9])
def test_a_column_of_one_value_has_no_scale(scaling, value):
    assert centre_and_scale("x", np.full(7, value), scaling) == (pytest.approx(value, rel=1e-15), 0.0)


@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({}, np.zeros(3), "rows and columns"),
        ({}, pl.DataFrame({"x": []}), "must have rows and columns"),
        ({"dates": "dmy"}, COLUMNS, "dates must be 'day', 'month' or None"),
        ({"censored": "no"}, COLUMNS, "censored must be"),
        ({"scaling": "minmax"}, COLUMNS, "scaling must be 'standard' or 'robust'; got 'minmax'"),
        ({"max_levels": 0}, COLUMNS, "max_levels must be an integer of at least 1; got 0"),
        ({"categorical": ["hight"]}, COLUMNS, "no column 'hight'; did you mean 'height'"),
    ],
)
def test_refusals(options, X, message):
    with pytest.raises(ValueError, match=message):
        fastbp.TableEncoder(**options).fit(X)


@pytest.mark.filterwarnings("ignore::fastbp.tables.cells.errors.TableWarning")
def test_in_a_pipeline():
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(fastbp.TableEncoder(keep=["id"], max_levels=3), LogisticRegression())
    y = np.arange(40) % 2
    assert clone(pipeline).fit(tables()["pandas"], y).predict(tables()["pandas"]).shape == (40,)
    framed = fastbp.TableEncoder().set_output(transform="pandas").fit_transform(tables()["pandas"])
    assert framed.columns.tolist()[: len(NAMES)] == NAMES


# --- scales ------------------------------------------------------------------------------------------------


def test_inputs_of_very_different_scales():
    X = np.random.default_rng(0).normal(size=(1000, 3)) * [1, 2000, 0.5]
    with pytest.warns(UserWarning, match=r"X\[:, 1\] is .*, that of X\[:, 2\] is .*fastbp.TableEncoder"):
        fastbp.Network((3, 2, 1), seed=0).fit(X, X[:, 0], epochs=5, learning_rate=1e-9)


@pytest.mark.parametrize("scale", [[1, 1, 1], [1, 50, 1], [1000, 1000, 2000], [1e-3, 1, 0.01], [1000, 0, 0]])
def test_scales_that_need_no_word(scale):
    X = np.random.default_rng(0).normal(size=(1000, 3)) * scale
    findings = fastbp.Network((3, 2, 1), seed=0).diagnose(X, X[:, 0]).findings
    assert not any("scales" in finding.name for finding in findings)


# --- history -----------------------------------------------------------------------------------------------


def test_history_is_a_line_and_a_picture(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 2))
    epochs = 50 if COMPILED else 3
    history = fastbp.Network((2, 3, 1), seed=0).fit(X, X[:, 0], epochs=epochs, validation=0.2, seed=0)
    text = repr(history)
    assert len(text) < 200
    for part in (f"History({epochs} epochs in ", "loss ", " to ", "validation ", "best epoch ", "stopped by epochs)"):
        assert part in text
    assert "loss" not in repr(fastbp.History())
    figure = history.plot(tmp_path / "curve.png", title="mine")
    assert figure.axes[0].get_title() == "mine"
    assert imread(tmp_path / "curve.png").shape[0] > 300
    with pytest.raises(ValueError, match="must end in"):
        history.plot(tmp_path / "curve.txt")
    with pytest.raises(ValueError, match="nothing to plot"):
        fastbp.History().plot()
