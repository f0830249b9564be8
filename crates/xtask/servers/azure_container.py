"""Makes a container in Azurite: the one request that `object_store` has no call for."""

import base64
import email.utils
import hashlib
import hmac
import sys
import urllib.request

endpoint, account, key, container = sys.argv[1:]
version, date = "2021-08-06", email.utils.formatdate(usegmt=True)
# Shared key authorization: verb, eleven empty headers, the headers of Azure, the resource. The
# emulator's resource has the account twice, since it is in the path.
text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n"
text += f"/{account}/{account}/{container}\nrestype:container"
signature = hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)
headers = {
    "x-ms-date": date,
    "x-ms-version": version,
    "Authorization": f"SharedKey {account}:{base64.b64encode(signature).decode()}",
}
url = f"{endpoint}/{account}/{container}?restype=container"
request = urllib.request.Request(url, method="PUT", headers=headers)
with urllib.request.urlopen(request) as answer:
    if answer.status != 201:
        sys.exit(f"the container was not made: {answer.status}")
