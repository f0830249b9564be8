"""Starts `postkeep sim` with the judges' mail and the service's description, and lets node-ews work
with it.

    node_ews_check.py --postkeep PROGRAM --modules FOLDER --schema FOLDER --scratch FOLDER
"""

import argparse
import subprocess
import sys
from pathlib import Path

import exchangelib_mail as mail
import judging


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", type=Path, required=True)
    parser.add_argument("--modules", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.scratch / "mail"
    folder.mkdir(parents=True)
    mail.write(folder)
    server, endpoint = judging.start_simulator(
        arguments.postkeep, arguments.scratch, folder, "--schema", arguments.schema
    )
    try:
        script = Path(__file__).with_name("node_ews_check.js")
        command = ["node", script, arguments.modules.resolve(), endpoint, arguments.scratch.resolve()]
        judged = subprocess.run(command, check=False)
    finally:
        server.terminate()
        server.wait()
    sys.exit(judged.returncode)


if __name__ == "__main__":
    main()
