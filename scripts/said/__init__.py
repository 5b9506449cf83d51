"""SAiD: speech-driven blendshape facial animation with diffusion (arXiv 2401.08655), as a library.

Pure functions on arrays, meshes and tensors, one module per stage of the paper. Only `said.io`
touches files, and nothing here knows of Snakemake.
"""
