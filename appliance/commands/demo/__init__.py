"""`wheeltapper demo`: the whole product on the simulated plant."""
