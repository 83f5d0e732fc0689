"""`python -m retouch.server.worker [ID] [PARENT]`: a worker with the settings of the environment."""

import sys

from retouch.core.errors import RetouchError
from retouch.server.logs import write_logs
from retouch.server.settings import ServerSettings
from retouch.server.worker.process import run_worker


def main() -> int:
    """Run until asked to end; the exit code."""
    write_logs()
    worker_id = sys.argv[1] if len(sys.argv) > 1 else None
    parent = int(sys.argv[2]) if len(sys.argv) > 2 else None
    try:
        run_worker(ServerSettings(), worker_id=worker_id, parent=parent)
    except RetouchError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
