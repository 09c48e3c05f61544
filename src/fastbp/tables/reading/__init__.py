"""From a file, an archive, a folder or a database to a `Table` of named columns.

In reading order: `table` (what is read), `sources` (where from), `text` with `survey`, `sniffing`, `naming`, `quoting`,
`quotes`, `endings` and `typed` (text of any layout), `formats`, `arff`, `json_tables` and `databases` (other forms),
`parts` (several files as one table) and `pieces` (a table larger than memory, piece by piece).
"""
