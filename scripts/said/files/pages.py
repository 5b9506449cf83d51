"""HTML pages of tables and text for the report, each of which can be read on its own."""

import html
from collections.abc import Mapping

from said.files.provenance import run_line


def page(body: str, provenance: Mapping[str, object] | None = None) -> str:
    """An HTML page. In a table, a row whose first cell is not empty begins a group.

    Args:
        body: its HTML.
        provenance: the run that its last line names as its origin, see `said.files.provenance`.
    """
    return _PAGE.format(body=f"{body}\n<p>{html.escape(run_line(provenance))}</p>" if provenance else body)


_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><style>
body {{ font: 15px/1.5 sans-serif; margin: 2em; max-width: 70em; }}
table {{ border-collapse: collapse; margin-bottom: 1em; }}
th, td {{ padding: .25em .9em; text-align: right; border: 0; white-space: nowrap; }}
th:nth-child(-n+2), td:nth-child(-n+2) {{ text-align: left; }}
thead th {{ border-bottom: 2px solid #333; }}
td:first-child:not(:empty), td:first-child:not(:empty) ~ td {{ border-top: 1px solid #bbb; }}
p {{ color: #444; }}
pre {{ background: #f5f5f5; padding: 1em; }}
</style></head><body>
{body}
</body></html>
"""
