"""Steps and epochs inside one compiled call: what they add up comes from the rooms below."""
