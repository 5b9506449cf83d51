"""The five methods of the paper's Table 1, one module each."""
