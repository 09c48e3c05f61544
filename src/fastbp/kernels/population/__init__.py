"""Many networks in one compiled call: each is trained as it would be alone, whoever else there is."""
