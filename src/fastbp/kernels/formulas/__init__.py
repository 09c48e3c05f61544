"""h, E_n, the solvers' steps and random numbers, a register at a time: knows no layer and no sample."""
