"""The embedded dataset: synthetic speakers, speech and motion, generated from seeds alone."""
