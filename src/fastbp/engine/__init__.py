"""The only room that calls kernels: work spaces, threads, and the gate that every array goes through. Knows no `Network`."""
