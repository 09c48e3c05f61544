"""What a cell says and what a column is: numbers, dates, units and words as people write them.

In reading order: `notation`, `decimals`, `date_words`, `dates`, `units` and `labels` (how one value is written),
`mixtures` and `kinds` (what a column of them is), `choices` (what the user says of it) and `doubts` (what we ask him to
look at). `errors` are those of all rooms of tables.
"""
