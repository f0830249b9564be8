"""A stand-in for the part of Google Cloud Storage's XML interface that a repository uses, and of
Alibaba Cloud OSS's, which differs in one header here.

Puts with x-goog-if-generation-match, gets with ranges, heads, deletes, and listings of the second
version in pages. It forgets everything when it ends. With --ignore-conditions it takes every put, as
some services do: to see that this is found out.
"""

import argparse
import email.utils
import hashlib
import http.server
import itertools
import re
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

PAGE = 500


class Store:
    def __init__(self, ignore_conditions):
        self.ignore_conditions = ignore_conditions
        self.lock = threading.Lock()
        self.objects = {}
        self.generations = itertools.count(1)

    def put(self, key, body, expected):
        with self.lock:
            there = self.objects.get(key)
            generation = there[1] if there else 0
            if expected is not None and not self.ignore_conditions and int(expected) != generation:
                return None
            entry = (body, next(self.generations), time.time())
            self.objects[key] = entry
            return entry


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("content_length", len(body))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def problem(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def target(self):
        url = urllib.parse.urlsplit(self.path)
        return urllib.parse.unquote(url.path)[1:], urllib.parse.parse_qs(url.query, keep_blank_values=True)

    def do_PUT(self):
        key, _ = self.target()
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            # The line was cut: no service keeps half an object.
            self.close_connection = True
            return
        if self.headers.get("x-oss-forbid-overwrite") == "true":
            entry = self.store.put(key, body, "0")
            if entry is None:
                return self.problem(409, "FileAlreadyExists")
        else:
            entry = self.store.put(key, body, self.headers.get("x-goog-if-generation-match"))
            if entry is None:
                return self.problem(412, "PreconditionFailed")
        self.answer(200, **self.describe(entry))

    @staticmethod
    def describe(entry):
        body, generation, changed = entry
        return {
            "etag": f'"{hashlib.md5(body).hexdigest()}"',
            "x_goog_generation": generation,
            "last_modified": email.utils.formatdate(changed, usegmt=True),
        }

    def do_GET(self):
        key, query = self.target()
        if "list-type" in query:
            return self.list(key.strip("/"), query)
        with self.store.lock:
            entry = self.store.objects.get(key)
        if entry is None:
            return self.problem(404, "NoSuchKey")
        body, headers = entry[0], self.describe(entry)
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
        if self.command == "HEAD":
            return self.answer(200, content_length=len(body), **headers)
        if not wanted:
            return self.answer(200, body, **headers)
        first, last = wanted.groups()
        if first:
            start, end = int(first), min(int(last or len(body) - 1), len(body) - 1)
        else:
            start, end = max(0, len(body) - int(last)), len(body) - 1
        if start >= len(body):
            return self.problem(416, "InvalidRange")
        headers["content_range"] = f"bytes {start}-{end}/{len(body)}"
        self.answer(206, body[start : end + 1], **headers)

    do_HEAD = do_GET

    def list(self, bucket, query):
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        with self.store.lock:
            names = sorted(
                name[len(bucket) + 1 :]
                for name in self.store.objects
                if name.startswith(f"{bucket}/{prefix}")
            )
            page = [name for name in names if name > after]
            more = len(page) > PAGE
            page = page[:PAGE]
            entries = [(name, self.store.objects[f"{bucket}/{name}"]) for name in page]
        parts = ["<ListBucketResult>", f"<IsTruncated>{str(more).lower()}</IsTruncated>"]
        if more:
            parts.append(f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>")
        for name, (body, _, changed) in entries:
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(changed))
            parts.append(
                f"<Contents><Key>{escape(name)}</Key><Size>{len(body)}</Size>"
                f"<LastModified>{when}</LastModified>"
                f"<ETag>&quot;{hashlib.md5(body).hexdigest()}&quot;</ETag></Contents>"
            )
        parts.append("</ListBucketResult>")
        self.answer(200, "".join(parts).encode(), content_type="application/xml")

    def do_DELETE(self):
        key, _ = self.target()
        with self.store.lock:
            there = self.store.objects.pop(key, None)
        self.answer(204 if there else 404)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ignore-conditions", action="store_true")
    arguments = parser.parse_args()
    Handler.store = Store(arguments.ignore_conditions)
    # The default backlog of 5 refuses what sixteen writers at once ask for.
    http.server.ThreadingHTTPServer.request_queue_size = 128
    http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler).serve_forever()


main()
