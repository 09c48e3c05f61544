"""Tables as people have them: read from files, understood column by column, made into a network's inputs.

Nothing here prints or parses options: `fastbp.cli` does. In reading order: `sources` (files) and `text`, `survey`,
`sniffing`, `labels`, `naming`, `quoting`, `quotes`, `endings`, `typed`, `formats`, `arff`, `json_tables`; `notation`,
`decimals`, `dates` and `doubts` (how values are written); `totals`, `kinds` and `planning` (what a column is, and
whether it is used); `columns`, `encoder`, `targets` and `strays` (numbers for a network, and back); `options`,
`splitting`, `training`, `ensemble` (settings that are tried, several networks), `scores` and `model`.
"""
