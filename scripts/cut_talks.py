"""Cut recordings with tracked head poses, as of VoxCeleb2, into clips of eight seconds."""

import pandas as pd

from said.headpose.clips import COLUMNS, write_clip, write_index
from said.headpose.split import roles
from said.headpose.voxceleb import cut, find_recordings, read_recording_of
from said.running.atomic import atomic_folder
from said.running.console import progress, start

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
recordings = find_recordings(params.path)
split = dict(zip(recordings, roles(recordings, [name.split("/")[0] for name in recordings], params.split), strict=True))

with atomic_folder(snakemake.output[0]) as folder:
    rows = []
    for recording in progress(recordings, "recordings"):
        for number, clip in enumerate(cut(*read_recording_of(params.path, recording))):
            name, speaker = f"{recording.replace('/', '+')}+{number:03d}", recording.split("/")[0]
            rows.append((name, speaker, split[recording], recording))
            write_clip(folder, name, clip)
    write_index(folder, pd.DataFrame(rows, columns=list(COLUMNS)))
print(f"{len(rows)} clips of {len(recordings)} recordings; what remains of each after the last whole clip is left out")
