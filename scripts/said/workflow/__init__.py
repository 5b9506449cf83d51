"""The only part that knows Snakemake: configuration, digest of code, taking over a folder, Slurm, estimate, record."""
