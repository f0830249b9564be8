"""Runs one command and writes what it cost as JSON: measure.py REPORT COMMAND...

Wall-clock and processor seconds and the peak resident set come from wait4(2), so they are the
command's own and those of the children it waited for. The peak includes the moment between fork
and exec, when the command still is this interpreter: below some 10 MiB it says nothing.
"""

import json
import os
import resource
import sys
import time


def main() -> int:
    report, command = sys.argv[1], sys.argv[2:]
    start = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    cost = {
        "wall_seconds": wall,
        "user_seconds": usage.ru_utime,
        "system_seconds": usage.ru_stime,
        "peak_rss_bytes": usage.ru_maxrss * unit,
        "exit_code": code,
    }
    with open(report, "w", encoding="utf-8") as file:
        json.dump(cost, file)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # Core dumps of a measured crash help nobody and fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
