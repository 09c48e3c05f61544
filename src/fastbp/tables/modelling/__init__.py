"""Networks on a prepared table: trained, chosen, scored, explained, kept.

In reading order: `training`, `ensemble` (settings that are tried, several networks), `scores`, `uncertainty`, `told`
(what was said of a training), `model` (what is kept), `analysis`, `comparison` (other methods on the same rows) and
`streaming` (a table that is read in pieces).
"""
