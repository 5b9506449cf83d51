"""The second source: the head's pose from speech. A reconstruction from its supplement; its paper is not to be had."""
