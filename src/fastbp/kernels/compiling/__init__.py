"""How kernels become machine code, which stays on disk: knows registers, and no formula."""
