"""Judges the traces that `postkeep` sends: a small collector takes them by OTLP over HTTP, and
OpenTelemetry's own Python package reads them.
"""

import argparse
import gzip
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from judging import PASSWORD, SERVICE, expect, run_checks, start_simulator

MAILBOXES = ["alice@example.test", "bob@example.test"]


class Collector(http.server.ThreadingHTTPServer):
    """Takes what is posted; says 503 while it is told to."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.status = 200
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self):
        """All spans, each with the attributes of its process."""
        found = []
        for _, _, body in self.requests:
            request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                process = attributes(resource.resource)
                for scope in resource.scope_spans:
                    found += [(span, process) for span in scope.spans]
        return found

    def clear(self):
        self.requests.clear()
        self.status = 200


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append((self.path, dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def attributes(of):
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes
    }


def named(spans, name):
    return [span for span, _ in spans if span.name == name]


class World:
    def __init__(self, program, scratch):
        self.program, self.scratch = program, scratch
        mail = scratch / "mail"
        for mailbox in MAILBOXES:
            folder = mail / mailbox / "Inbox"
            folder.mkdir(parents=True)
            text = f"From: dora@example.test\r\nTo: {mailbox}\r\nSubject: Geheim\r\n\r\nText\r\n"
            (folder / "1.eml").write_text(text)
        self.server, url = start_simulator(program, scratch, mail)
        self.collector = Collector()
        (scratch / "postkeep.toml").write_text(
            f'''[destinations.main]
url = "repo"
passphrase_env = "POSTKEEP_PASSPHRASE"
[sets.office]
server = "{url}"
user = "{SERVICE}"
password_env = "POSTKEEP_PASSWORD"
mailboxes = ["{MAILBOXES[0]}", "{MAILBOXES[1]}"]
destinations = "main"
'''
        )
        self.run("init", "--repo", "repo")

    def run(self, *words, **environment):
        """Runs the program; gives its code and what it said."""
        given = dict(
            os.environ,
            POSTKEEP_PASSPHRASE="correct horse",
            POSTKEEP_PASSWORD=PASSWORD,
            XDG_CACHE_HOME=str(self.scratch / "cache"),
            **environment,
        )
        done = subprocess.run(
            [self.program, *words], cwd=self.scratch, env=given, capture_output=True, text=True
        )
        return done.returncode, done.stderr


def a_run_is_one_trace_from_the_command_to_the_requests(world):
    world.collector.clear()
    code, said = world.run("run", "--set", "office", "--traces", world.collector.url)
    expect((code, said), (0, ""))
    expect({path for path, _, _ in world.collector.requests}, {"/v1/traces"}, "path")
    spans = world.collector.spans()
    expect(len({span.trace_id for span, _ in spans}), 1, "traces")
    by_id = {span.span_id: span for span, _ in spans}
    (command,) = named(spans, "command")
    expect(command.parent_span_id, b"", "the command's parent")
    expect(attributes(command)["name"], "run")
    (run,) = named(spans, "run")
    expect(by_id[run.parent_span_id].name, "command", "parent")
    expect(attributes(run)["set"], "office")
    expect(attributes(run)["outcome"], "success")
    mailboxes = named(spans, "mailbox")
    expect(sorted(attributes(span)["mailbox"] for span in mailboxes), MAILBOXES)
    for span in mailboxes:
        expect(by_id[span.parent_span_id].name, "run", "parent")
    requests = named(spans, "request")
    operations = {attributes(span)["operation"] for span in requests}
    wanted = {"FindFolder", "SyncFolderItems", "ExportItems"}
    expect(wanted - operations, set(), "operations that are missing")
    for span in requests:
        parent = by_id[span.parent_span_id]
        expect(parent.name in ("mailbox", "run"), True, f"{parent.name} of a request")
        expect(parent.start_time_unix_nano <= span.start_time_unix_nano, True, "begins inside")
        expect(span.start_time_unix_nano < span.end_time_unix_nano, True, "takes time")
    exports = [span for span in requests if attributes(span)["operation"] == "ExportItems"]
    for span in exports:
        expect(by_id[span.parent_span_id].name, "mailbox", "parent of an export")


def collectors_learn_which_program_it_is_and_no_secret(world):
    spans = world.collector.spans()
    process = spans[0][1]
    expect(process["service.name"], "postkeep")
    expect(bool(process["service.version"]), True, "version")
    everything = b"".join(body for _, _, body in world.collector.requests)
    for secret in (b"correct horse", PASSWORD.encode(), b"Geheim"):
        expect(secret in everything, False, repr(secret))


def a_run_that_fails_is_an_error(world):
    world.collector.clear()
    unreachable = ["--with", "server=http://127.0.0.1:9"]
    code, _ = world.run(
        "run", "--set", "office", *unreachable, "--traces", world.collector.url
    )
    expect(code, 8)
    (run,) = named(world.collector.spans(), "run")
    expect(attributes(run)["outcome"], "failure")
    expect(run.status.code, trace_pb2.Status.STATUS_CODE_ERROR)


def the_environment_names_the_collector_and_its_headers(world):
    world.collector.clear()
    code, _ = world.run(
        "snapshots", "--repo", "repo",
        OTEL_EXPORTER_OTLP_ENDPOINT=world.collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-token=abc",
    )
    expect(code, 0)
    ((_, headers, _),) = world.collector.requests
    expect({name.lower(): value for name, value in headers.items()}["x-token"], "abc")
    (command,) = named(world.collector.spans(), "command")
    expect(attributes(command)["name"], "snapshots")


def a_collector_that_is_gone_costs_a_warning_and_nothing_else(world):
    code, said = world.run("snapshots", "--repo", "repo", "--traces", "http://127.0.0.1:9")
    expect(code, 0)
    expect("warning: traces were not sent to http://127.0.0.1:9/v1/traces: " in said, True, said)
    world.collector.clear()
    world.collector.status = 400
    code, said = world.run("snapshots", "--repo", "repo", "--traces", world.collector.url)
    expect(code, 0)
    expect("the collector answered 400" in said, True, said)


def an_address_that_is_none_is_refused(world):
    code, said = world.run("snapshots", "--repo", "repo", "--traces", "localhost:4318")
    expect(code, 2)
    expect("try: --traces http://127.0.0.1:4318" in said, True, said)


CHECKS = [
    a_run_is_one_trace_from_the_command_to_the_requests,
    collectors_learn_which_program_it_is_and_no_secret,
    a_run_that_fails_is_an_error,
    the_environment_names_the_collector_and_its_headers,
    a_collector_that_is_gone_costs_a_warning_and_nothing_else,
    an_address_that_is_none_is_refused,
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", required=True)
    parser.add_argument("--scratch", required=True, type=Path)
    arguments = parser.parse_args()
    world = World(arguments.postkeep, arguments.scratch.resolve())
    try:
        failures = run_checks("traces", CHECKS, world)
    finally:
        world.server.kill()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
