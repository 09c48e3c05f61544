"""Second derivatives of a network, many samples at a time: Jacobians, Hessians and what solves with them."""
