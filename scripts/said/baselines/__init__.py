"""The five other methods of Table 1, as their authors built them: one module each, and what several of them share."""
