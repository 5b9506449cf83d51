"""Methods of the table of head poses that need no training, by name: rules know them without loading anything else."""

KNOWN = ("ground_truth", "oracle", "still", "shuffled")
"""The truth; other takes, which only a generator can give; a head that does not move; the truth of another clip, whose
motion is right and whose speech is wrong."""
