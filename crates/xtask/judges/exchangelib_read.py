"""Reads every mail of some mailboxes with exchangelib, as a script for a backup would.

    exchangelib_read.py URL USER ADDRESSES     (a file with one address a line)

The password is that of `postkeep sim`. Nothing is stored: only fetching and parsing are paid for.
"""

import sys

from exchangelib import BASIC, IMPERSONATION, UTC, Account, Configuration, Credentials


def main():
    url, user, list_ = sys.argv[1:]
    config = Configuration(
        service_endpoint=url, credentials=Credentials(user, "secret"), auth_type=BASIC
    )
    items = size = 0
    with open(list_, encoding="utf-8") as addresses:
        for address in addresses.read().split():
            account = Account(
                address, config=config, access_type=IMPERSONATION, default_timezone=UTC
            )
            for folder in account.msg_folder_root.walk():
                for item in folder.all().only("mime_content", "item_class"):
                    items += 1
                    size += len(item.mime_content or b"")
    print(f"{items} items, {size} bytes")
    if not items:
        sys.exit("nothing was read")


if __name__ == "__main__":
    main()
