"""SIMULATED participants answer the user study, to show that its analysis finds what is known of them."""

from said.files.tables import write_table
from said.files.text import write_json, write_text
from said.running.atomic import atomic_folder
from said.running.console import start
from said.study import simulation
from said.study.analysis import report, scores, tabulate
from said.study.answers import find_answers, read_all, write_answers
from said.study.key import read_key

start(snakemake.log[0], snakemake.input, snakemake.output)
params, output = snakemake.params, snakemake.output
key = simulation.without_names(read_key(snakemake.input.key))
with atomic_folder(output.answers) as folder:
    for given in simulation.simulate(key, params.participants, params.seed):
        write_answers(folder / f"SIMULATED-{given.participant}.json", given, key.study, simulated=True)
answers = read_all(find_answers(output.answers), key, simulated=True)
table = tabulate(scores(answers, key))
write_table(output.table, table, float_format="%.6g")
methods, audios = max(len(key.methods(1)), len(key.methods(2))), max(1, len(key.audios))
proof = simulation.prove(params.participants, methods, audios, params.draws, params.seed)
write_json(output.proof, proof)
write_text(output.page, report(table, answers, key, params.provenance, simulated=True, proof=proof))
print(*(f"{name}: {value:.3f}" for name, value in proof.items()), sep="\n")
