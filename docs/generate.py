"""Write the pages that follow from the code, configuration.md, map.md and rulegraph.svg, and schemas/defaults.json.

    python docs/generate.py

`make docs` calls it, and a test fails when a page is no longer what it writes.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import networkx
import yaml

ROOT = Path(__file__).parent.parent
_NO_SECTIONS = ("dataset", "scale", "preset", "seed", "variants", "learning", "edits", "presets", "scales")
NOTICE = "<!-- Written by docs/generate.py: do not edit. -->\n\n"


def main() -> None:
    for name, text in pages().items():
        (ROOT / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Text of each generated file, by its path."""
    rules = stages()
    graph = rule_graph()
    return {
        "docs/configuration.md": configuration(),
        "schemas/defaults.json": defaults(),
        "docs/map.md": library_and_rules(rules),
        "docs/rulegraph.svg": draw(graph, {name: stage for stage, names in rules.items() for name in names}),
    }


# ------------------------------------------------------------------------------------------------- configuration


def defaults() -> str:
    """The sections of config.yaml as they are shipped, by which edits are told from what is not."""
    written = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return json.dumps({name: value for name, value in written.items() if name not in _NO_SECTIONS}, indent=1) + "\n"


def configuration() -> str:
    """The reference of config.yaml: each key with its default, what it may be, and what it means."""
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
    written = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    overrides = {**written["presets"], **written["scales"]}
    lines = [
        "# Configuration reference\n",
        "Every key of `config.yaml`: its default, what it may be, and what it means. The defaults are the paper's own "
        "settings. Where a preset or a scale sets another value, the column *otherwise* says so; [Ablations and "
        "configuration](ablations.md) says which of them wins.\n",
        "## Top level\n",
        *_table(_rows(schema["properties"], schema, written, {}, nested=False)),
    ]
    for name, node in schema["properties"].items():
        node = _resolved(node, schema)
        if node.get("properties"):
            lines += [f"## {name}\n", node.get("description", "") + "\n"]
            changed = {key: values.get(name, {}) for key, values in overrides.items()}
            lines += _table(_rows(node["properties"], schema, written[name], changed))
    lines += ["## An entry of edits\n", schema["$defs"]["edit"]["description"] + "\n"]
    lines += _table(_rows(schema["$defs"]["edit"]["properties"], schema, {}, {}))
    return NOTICE + "\n".join(lines)


def _table(rows: Iterator[tuple[str, ...]]) -> list[str]:
    head = ["| key | default | otherwise | may be | meaning |", "|---|---|---|---|---|"]
    return [*head, *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows), ""]


def _rows(
    keys: Mapping, schema: Mapping, values: Mapping, overrides: Mapping, place: str = "", nested: bool = True
) -> Iterator[tuple[str, ...]]:
    for key, node in keys.items():
        node = _resolved(node, schema)
        inner = node.get("properties")
        if inner and nested:
            below = {name: changed.get(key, {}) for name, changed in overrides.items()}
            yield from _rows(inner, schema, values.get(key, {}), below, f"{place}{key}.")
            continue
        others = [f"{name}: {_value(changed[key])}" for name, changed in overrides.items() if key in changed]
        default = _value(values[key]) if key in values else ""
        yield f"`{place}{key}`", default, "<br>".join(others), _allowed(node, schema), node.get("description", "")
        items = node.get("additionalProperties") or node.get("items")
        items = _resolved(items, schema) if isinstance(items, Mapping) else {}
        if items.get("properties") and nested:
            yield from _rows(items["properties"], schema, {}, {}, f"{place}{key}.*.")


def _resolved(node: Mapping, schema: Mapping) -> dict:
    """A node with the one that it refers to folded in; its own words and keys come first."""
    if "$ref" not in node:
        return dict(node)
    target = _resolved(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    keys = target.get("properties", {}) | node.get("properties", {})
    return {**target, **node, **({"properties": keys} if keys else {})}


def _value(value: object) -> str:
    """A value as YAML has it; of what is long, its size."""
    if isinstance(value, Mapping):
        return f"{len(value)} entries" if value else "`{}`"
    if isinstance(value, list) and len(value) > 2:
        return f"{len(value)} entries"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return f"`{text.strip().removesuffix('...').strip()}`"


def _allowed(node: Mapping, schema: Mapping) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "oneOf" in node:
        return " or ".join(_allowed(choice, schema) for choice in node["oneOf"])
    kinds = [node["type"]] if isinstance(node.get("type"), str) else node.get("type", [])
    names = {"object": "mapping", "array": "list", "string": "text", "boolean": "true, false"}
    text = " or ".join(names.get(kind, kind) for kind in kinds)
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[key]:g}" for key, sign in signs.items() if key in node]
    return " ".join([text, ", ".join(bounds)]).strip()


# ------------------------------------------------------------------------------------------------ rules and library


_RULE = r"^ *(?:rule|use rule \w+ as) (\w+)(?: with)?:"
"""The head of a rule, one of its own or one that is another's with changes."""


def stages() -> dict[str, list[str]]:
    """The rules of each file under rules/, by its name, in the workflow's order."""
    snakefile = (ROOT / "Snakefile").read_text(encoding="utf-8")
    order = re.findall(r'^include: "rules/(\w+)\.smk"', snakefile, re.M)
    return {stage: names for stage in order if (names := re.findall(_RULE, _stage(stage), re.M))}


def _stage(name: str) -> str:
    return (ROOT / f"rules/{name}.smk").read_text(encoding="utf-8")


def library_and_rules(rules: Mapping[str, list[str]]) -> str:
    """The page with the rule graph, the rules of each stage, and the library with each module's first line."""
    lines = ["# Map of rules and library\n", "## Rules\n"]
    lines += [
        "A line leads down from a rule to the rules that read its output. Both datasets are in the picture; a run has "
        "the rules of one. Lines that follow from others are left out.\n"
    ]
    lines += ["![Which rule's output goes into which rule](rulegraph.svg)\n"]
    lines += ["| stage | rule | script | what it does |", "|---|---|---|---|"]
    for stage in rules:
        bodies = re.split(_RULE + "\n", _stage(stage), flags=re.M)[1:]
        for name, body in zip(bodies[::2], bodies[1::2], strict=True):
            script = re.search(r'"\.\./scripts/(\w+\.py)"', body)
            message = re.search(r'message:\s*f?"(.*)"', body)
            what = (
                re.sub(r"\{(?:wildcards|params)?\.?(\w+)(?:\[(\w+)\])?\}", _placeholder, message[1]) if message else ""
            )
            lines.append(f"| `{stage}.smk` | `{name}` | {f'`{script[1]}`' if script else ''} | {what} |")
    lines += ["", "## The library, `scripts/said/`\n"]
    for folder, files in _modules().items():
        title = "The paper" if folder == "." else f"`{folder}/`"
        words = _first_line(ROOT / "scripts/said" / folder / "__init__.py") if folder != "." else ""
        lines += [f"### {title}\n", *([words + "\n"] if words else []), "| module | what it holds |", "|---|---|"]
        lines += [f"| `{path.stem}` | {_first_line(path)} |" for path in files] + [""]
    return NOTICE + "\n".join(lines)


def _placeholder(match: re.Match) -> str:
    return f"*{(match[2] or match[1]).lower()}*"


def _modules() -> dict[str, list[Path]]:
    """The library's modules by folder, the top level first."""
    library = ROOT / "scripts/said"
    found: dict[str, list[Path]] = {}
    for path in sorted(library.rglob("*.py"), key=lambda path: (len(path.parts), path)):
        if path.name != "__init__.py":
            found.setdefault(path.parent.relative_to(library).as_posix(), []).append(path)
    return found


def _first_line(path: Path) -> str:
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(words.split("\n\n")[0].split()).replace("|", "\\|")


# ------------------------------------------------------------------------------------------------------ rule graph


def rule_graph() -> networkx.DiGraph:
    """Which rule's output goes into which rule, for both datasets together, as Snakemake says."""
    graph = networkx.DiGraph()
    for configured in (["dataset=synthetic", "scale=demo"], ["dataset=vocaset", "scale=paper"]):
        command = [sys.executable, "-m", "snakemake", "all", "--rulegraph", "--config", *configured]
        text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', text, re.M))
        graph.add_edges_from((names[a], names[b]) for a, b in re.findall(r"^\s*(\d+) -> (\d+)", text, re.M))
    graph.remove_nodes_from(["all", "publish_figure", "publish_edit"])  # which only gather and copy
    return networkx.transitive_reduction(graph)


COLOURS = (
    "#56b4e9", "#e69f00", "#009e73", "#f0e442", "#0072b2", "#d55e00",
    "#cc79a7", "#999999", "#88ccee", "#aa4499", "#999933", "#882255", "#44aa99",
    "#ddcc77", "#332288", "#cc6677", "#117733", "#6699cc", "#aa7744", "#661100",
)  # fmt: skip
WIDTH, HEIGHT, GAP, MARGIN = 150, 22, 34, 12


def draw(graph: networkx.DiGraph, stage_of: Mapping[str, str]) -> str:
    """The graph as SVG, from top to bottom, coloured by stage."""
    laid = _routed(graph)
    place = _places(laid)
    used = [stage for stage in dict.fromkeys(stage_of.values()) if stage in {stage_of[name] for name in graph}]
    colour = dict(zip(used, COLOURS, strict=False))
    width = max(x for x, _ in place.values()) + WIDTH / 2 + MARGIN
    bottom = max(y for _, y in place.values()) + HEIGHT + GAP
    columns = 6
    height = bottom + (HEIGHT + 8) * -(-len(used) // columns) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">',
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
    ]
    for first, second in sorted(laid.edges):
        (x1, y1), (x2, y2) = place[first], place[second]
        y1, bend = y1 + HEIGHT, (y2 - y1 - HEIGHT) / 2
        curve = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
        if second not in graph:  # straight past the boxes of that layer
            curve += f"V{y2 + HEIGHT:g}"
        parts.append(f'<path d="{curve}" fill="none" stroke="#888"/>')
    for name in sorted(graph):
        parts += _box(*place[name], name, colour[stage_of[name]])
    step = (width - 2 * MARGIN) / columns
    for number, stage in enumerate(used):
        row, column = divmod(number, columns)
        parts += _box(MARGIN + (column + 0.5) * step, bottom + row * (HEIGHT + 8), f"{stage}.smk", colour[stage])
    return "\n".join([*parts, "</svg>\n"])


def _routed(graph: networkx.DiGraph) -> networkx.DiGraph:
    """The graph with its layers as `layer`, and a node without a box on each layer that an arrow passes."""
    laid = networkx.DiGraph()
    for number, names in enumerate(networkx.topological_generations(graph)):
        laid.add_nodes_from(names, layer=number)
    for first, second in sorted(graph.edges):
        last = first
        for layer in range(laid.nodes[first]["layer"] + 1, laid.nodes[second]["layer"]):
            laid.add_node(f"{first} {layer}", layer=layer)  # arrows from one rule share their way
            laid.add_edge(last, f"{first} {layer}")
            last = f"{first} {layer}"
        laid.add_edge(last, second)
    return laid


def _places(laid: networkx.DiGraph) -> dict[str, tuple[float, float]]:
    """Middle of the upper edge of each node."""
    layers: dict[int, list[str]] = {}
    for name in sorted(laid):
        layers.setdefault(laid.nodes[name]["layer"], []).append(name)
    rows = [layers[number] for number in sorted(layers)]
    place = {name: number / len(row) for row in rows for number, name in enumerate(row)}
    for sweep in range(24):  # down and up: each node near the middle of those that it is joined to
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            neighbours = laid.predecessors if sweep % 2 == 0 else laid.successors
            near = {name: [place[other] for other in neighbours(name)] or [place[name]] for name in row}
            row.sort(key=lambda name, near=near: (sum(near[name]) / len(near[name]), name))
            place |= _spread(row)
    left = min(place.values()) - WIDTH / 2 - MARGIN
    return {name: (place[name] - left, MARGIN + y * (HEIGHT + GAP)) for y, row in enumerate(rows) for name in row}


def _spread(row: list[str]) -> dict[str, float]:
    """Where the nodes of a layer lie from left to right, about 0."""
    widths = [18 if " " in name else WIDTH + 10 for name in row]
    x, found = -sum(widths) / 2, {}
    for name, width in zip(row, widths, strict=True):
        found[name] = x + width / 2
        x += width
    return found


def _box(x: float, y: float, text: str, colour: str) -> list[str]:
    shape = f'x="{x - WIDTH / 2:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="5"'
    return [
        f'<rect {shape} fill="white"/><rect {shape} fill="{colour}" fill-opacity="0.35" stroke="{colour}"/>',
        f'<text x="{x:g}" y="{y + 15:g}" text-anchor="middle" font-size="11">{text}</text>',
    ]


if __name__ == "__main__":
    main()
