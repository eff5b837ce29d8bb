"""What a shell left ignored, heeded again by processes that tests signal."""

import signal


def heed_signals() -> None:
    """Undo `nohup` and `&`, whose ignored signals are inherited; for `preexec_fn`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
