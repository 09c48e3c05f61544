"""From a `Table` to the arrays a network takes, and from its outputs back to the table's terms.

In reading order: `options`, `totals` and `strays` (rows that are none), `planning` (which columns are used, and how),
`columns` with `base_column` and `date_column` (one column's numbers), `scaling`, `encoder`, `targets`, `transformer`
(all columns), `preparation` (these in a row), `splitting` (rows to train, to validate and to test), `sampling` and
`counting` (the same for a table that is read in pieces), `parallel` (columns side by side).
"""
