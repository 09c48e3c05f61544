"""The passes over many samples, one in each lane: no samples are chosen here and no weights changed."""
