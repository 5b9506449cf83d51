"""The page that plays all animations."""

from pathlib import Path

from said.animation.faces import load_face
from said.animation.player import write_player
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
face = load_face(snakemake.input.face or None, snakemake.input.landmarks or None, snakemake.params.unit)
write_player(Path(snakemake.output[0]).parent, snakemake.input.animations, face)
