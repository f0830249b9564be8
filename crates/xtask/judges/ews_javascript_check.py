"""Starts `postkeep sim` with the judges' mail and lets ews-javascript-api work with it.

    ews_javascript_check.py --postkeep PROGRAM --modules FOLDER --scratch FOLDER
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
    parser.add_argument("--scratch", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.scratch / "mail"
    folder.mkdir(parents=True)
    mail.write(folder)
    server, endpoint = judging.start_simulator(arguments.postkeep, arguments.scratch, folder)
    try:
        script = Path(__file__).with_name("ews_javascript_check.js")
        judged = subprocess.run(["node", script, arguments.modules.resolve(), endpoint], check=False)
    finally:
        server.terminate()
        server.wait()
    sys.exit(judged.returncode)


if __name__ == "__main__":
    main()
