"""fastbp and its peers on the same work: validated first, then timed in turns."""
