"""Tables as people have them: read from files, understood column by column, made into a network's inputs.

Nothing here prints or parses options: `fastbp.cli` does. In reading order: `sources` (files) and `text`, `survey`,
`sniffing`, `typed`, `formats`; `notation` and `dates` (how values are written); `kinds` and `planning` (what a column
is, and whether it is used); `columns`, `encoder` and `targets` (numbers for a network, and back); `options`,
`training`, `ensemble` (settings that are tried, several networks), `scores` and `model`.
"""
