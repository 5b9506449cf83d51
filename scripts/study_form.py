"""Make the page of the user study, and the key that says which method each of its items is."""

from said.running.atomic import atomic_folder
from said.running.console import start
from said.study.films import read_films
from said.study.form import Part, StudySettings, write_form
from said.study.key import write_key

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
parts = [
    Part(read_films(params.folders[part], params.numbers[part], f"study.{part}.methods"), params.numbers[part])
    for part in ("part1", "part2")
]
with atomic_folder(snakemake.output.videos) as folder:
    key = write_form(snakemake.output.page, folder, *parts, StudySettings.of(params.settings), params.seed)
write_key(snakemake.output.key, key)
for part in (1, 2):
    print(f"part {part}: {len(key.methods(part))} methods: {', '.join(key.methods(part)) or 'left out'}")
print(f"{len(key.expected())} ratings of a participant, study {key.study}")
