"""The table of faults in docs/reliability.md has a row for each fault that the tests cause, and no other."""

import ast
from pathlib import Path

from reliability import table_rows


def test_each_fault_of_the_table_is_caused_by_a_test():
    caused = {
        node.args[0].value
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "observed"
    }
    assert caused == {row.split(" | ")[0].removeprefix("| ") for row in table_rows()}
