"""What knows Snakemake and Slurm: the run as a whole."""
