"""Record generated people who speak and move their heads, with the truth about both."""

import pandas as pd

from said.headpose.clips import COLUMNS, write_clip, write_index
from said.headpose.split import roles
from said.running.atomic import atomic_folder
from said.running.console import progress, start
from said.seeds import derive_seed
from said.synthetic.talks import cast_talkers, record_talk, write_texts

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
talkers = cast_talkers(params.voices, params.seed)
texts = iter(write_texts(params.voices * params.clips, params.never, params.seed))
talks = [(f"{talker.name}_{number:02d}", talker) for talker in talkers for number in range(params.clips)]

with atomic_folder(snakemake.output[0]) as folder:
    for name, talker in progress(talks, "clips"):
        write_clip(folder, name, record_talk(talker, next(texts), derive_seed(params.seed, name)))
    names, speakers = [name for name, _ in talks], [talker.name for _, talker in talks]
    split = roles(names, speakers, params.split)
    rows = zip(names, speakers, split, ["generated"] * len(names), strict=True)
    write_index(folder, pd.DataFrame(list(rows), columns=list(COLUMNS)))
