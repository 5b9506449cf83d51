"""SAiD: speech-driven blendshape facial animation with diffusion (arXiv 2401.08655), as a library.

Pure functions on arrays, meshes and tensors. On top lies the paper, a module per stage, in its order:

    arkit landmarks seeds                                       words that everything uses
    corpus rig meshes cleanup correspondence deformation        data and geometry (Section 4.1)
    transfer_report coefficients quadratic_program quality      coefficients (Eq. 2)
    speech attention denoiser model diffusion guidance          the model (Section 4.2)
    sampling edits editing compute                              samples and edits (Eq. 9 and 10)
    extractor metrics mixtures intervals evaluation motion      measures (Sections 10 and 11)
    tables render

and beside it the wings: `running`, the ground floor, which never changes a byte of a result; `files`, one module per
format; `training`, `lipsync`, `figures`; `vocaset` and `synthetic`, the data sets; `workflow`, which alone knows
Snakemake. Imports point down: running, files, the paper's modules, training, lipsync, figures; synthetic, vocaset and
workflow stand on the paper's modules, and never on each other. Only running, files, vocaset and workflow touch the
disk.
"""
