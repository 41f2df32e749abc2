"""How good results are, by the measures that papers report."""
