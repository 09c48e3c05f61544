"""
The error signal travels back
=============================

A network of 2-2-2-1, one sample: what each unit puts out on the way forward, then delta as it comes to one layer after
another. Delta of a hidden unit is the weighted sum of the deltas of the units that it feeds, times the slope of its own
function: equation (5.56) of :doc:`/backpropagation`.
"""

from fastbp import Network, plots

net = Network((2, 2, 2, 1), activation="logistic", output="logistic", seed=3)
net.params *= 2  # so that something is to be seen
ex = net.explain([1.0, 0.5], [1.0], learning_rate=0.5)

# %%
# Blue is negative, orange positive; the width of a line is the size of a weight.
frames = plots.error_signal(ex)

# %%
# The same numbers, in a line each:
print(ex.text(unit=4))

# %%
# ``plots.save_error_signal(ex, "signal.gif")`` makes them move, ``ex.save_html("page.html")`` makes a page to play
# with.
