"""The library at a prompt: `python -m said animate speech/` and `python -m said live recording.wav`."""

import gc
import sys

from said.commands import main

# While packages are imported, which takes seconds, there is hardly anything to collect: looking less often saves some.
gc.set_threshold(10_000, *gc.get_threshold()[1:])

if __name__ == "__main__":
    sys.exit(main())
