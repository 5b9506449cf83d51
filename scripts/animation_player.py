"""The page that plays all animations."""

import sys
from pathlib import Path

from said.animation.faces import load_face
from said.animation.failures import sort_out, summary
from said.animation.player import write_player
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
page = Path(snakemake.output[0])
animations, faults = sort_out(snakemake.input.animations)
if not animations:
    sys.exit(summary(0, len(faults), page.parent, faults))
face = load_face(snakemake.input.face or None, snakemake.input.landmarks or None, snakemake.params.unit)
write_player(page.parent, animations, face)
