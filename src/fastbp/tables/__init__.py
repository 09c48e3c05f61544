"""Tables as people have them: read from files, understood column by column, made into a network's inputs.

Nothing here prints or parses options: `fastbp.cli` does. Four rooms, each built on those before it: `cells` (how one
value is written, what a column is), `reading` (files), `preparing` (numbers for a network, and back) and `modelling`
(networks trained on them, their scores, the model that is kept).
"""
