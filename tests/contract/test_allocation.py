"""What starting up touched once is not kept."""

import subprocess
import sys

SCRIPT = """
import psutil
import datanexus.wiring
from datanexus.adapters.embedded.allocation import return_freed_memory
from datanexus.adapters.embedded.startup_code import return_startup_code

process = psutil.Process()
return_freed_memory()
before = process.memory_info().rss
return_startup_code()
print(before - process.memory_info().rss)
import decimal, json  # code still runs, and more of it loads
print(json.dumps({"sum": str(decimal.Decimal("1.5") + 1)}))
"""
LET_GO_BYTES = 10 << 20  # of 30 MiB that a run lets go of


def test_the_code_of_starting_up_leaves_memory_and_what_is_needed_comes_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    let_go, result = done.stdout.splitlines()
    assert '{"sum": "2.5"}' == result
    assert int(let_go) >= LET_GO_BYTES
