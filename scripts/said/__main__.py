"""The library at a prompt: `python -m said animate speech/` and `python -m said live recording.wav`."""

import sys

from said.commands import main

if __name__ == "__main__":
    sys.exit(main())
