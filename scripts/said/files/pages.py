"""HTML pages for the report: plain tables and text, legible by themselves."""


def page(body: str) -> str:
    """A page of its own; rows of a table whose first cell is filled begin a group."""
    return _PAGE.format(body=body)


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
