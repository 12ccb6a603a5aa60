"""`bmc verify`: the programs of all backends, given the same weights and inputs, compared."""
