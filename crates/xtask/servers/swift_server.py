"""OpenStack Swift on loopback: a proxy with tempauth, and one account, container and object server.

Needs the package `swift`. Takes a folder for its files, on a file system with extended attributes.
Account and user are test:tester, the key is testing.
"""

import argparse
import ctypes
import getpass
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

SERVERS = ("account", "container", "object")


class Cache:
    """What memcached is to Swift, in the one process that uses it."""

    def __init__(self):
        self.values = {}

    def get(self, key, **_):
        value, until = self.values.get(key, (None, 0))
        return value if until == 0 or until > time.time() else None

    def set(self, key, value, time=0, **_):
        self.values[key] = (value, time and __import__("time").time() + time)

    def delete(self, key, **_):
        self.values.pop(key, None)

    def incr(self, key, delta=1, time=0, **_):
        value = int(self.get(key) or 0) + delta
        self.set(key, value, time=time)
        return value

    def set_multi(self, mapping, server_key, time=0, **_):
        for key, value in mapping.items():
            self.set(key, value, time=time)

    def get_multi(self, keys, server_key, **_):
        return [self.get(key) for key in keys]


def filter_factory(global_conf, **local_conf):
    """The filter that hands the cache to what comes behind it."""
    cache = Cache()

    def make(app):
        def call(env, start_response):
            env["swift.cache"] = cache
            return app(env, start_response)

        return call

    return make


def serve(kind, home):
    import swift.common.utils

    swift.common.utils.SWIFT_CONF_FILE = str(home / "swift.conf")
    from swift.common.wsgi import run_wsgi

    return run_wsgi(str(home / f"{kind}.conf"), f"{kind}-server")


def write_ring(home, kind, port):
    from swift.common.ring import RingBuilder

    builder = RingBuilder(2, 1, 0)
    place = {"ip": "127.0.0.1", "port": port, "device": "disk"}
    place |= {"replication_ip": "127.0.0.1", "replication_port": port}
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0, "meta": "", **place})
    builder.rebalance()
    builder.get_ring().save(str(home / f"{kind}.ring.gz"))


def configure(home, ports):
    (home / "devices/disk").mkdir(parents=True)
    (home / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = loopback\n")
    for kind, port in ports.items():
        common = (
            f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nworkers = 0\n"
            f"user = {getpass.getuser()}\nswift_dir = {home}\ndevices = {home}/devices\n"
            "mount_check = false\nlog_level = CRITICAL\n"
        )
        if kind == "proxy":
            rest = (
                "[pipeline:main]\npipeline = catch_errors cache tempauth proxy-server\n"
                "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
                "[filter:catch_errors]\nuse = egg:swift#catch_errors\n"
                "[filter:cache]\npaste.filter_factory = swift_server:filter_factory\n"
                "[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = testing .admin\n"
            )
        else:
            write_ring(home, kind, port)
            rest = (
                f"[pipeline:main]\npipeline = {kind}-server\n"
                f"[app:{kind}-server]\nuse = egg:swift#{kind}\n"
            )
        (home / f"{kind}.conf").write_text(common + rest)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def end_with_parent():
    """PR_SET_PDEATHSIG: a server outlives nobody who was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=pathlib.Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--serve")
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.home)
    ports = {kind: free_port() for kind in SERVERS} | {"proxy": options.port}
    configure(options.home, ports)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children = []
    try:
        for kind in ports:
            command = [sys.executable, __file__, "--home", str(options.home), "--serve", kind]
            children.append(subprocess.Popen(command, preexec_fn=end_with_parent))
            if kind != "proxy":
                wait_for(ports[kind])
        return children[-1].wait()
    finally:
        for child in children:
            child.kill()


def wait_for(port):
    for _ in range(1200):
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"no server listens on port {port}")


if __name__ == "__main__":
    sys.exit(main())
