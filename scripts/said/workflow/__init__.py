"""What starts, costs, records and takes over runs: the only part that knows Snakemake and Slurm."""
