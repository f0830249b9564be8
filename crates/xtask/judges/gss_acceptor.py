"""A server that demands Extended Protection: the system's own GSSAPI (MIT Kerberos, gss-ntlmssp)
judges each sign-in together with the channel binding of this server's certificate, and requests
that pass go on to the simulator.

Apache's mod_auth_gssapi has no channel bindings, so the libraries below it are called from here.
"""

import argparse
import base64
import ctypes
import hashlib
import http.client
import http.server
import pathlib
import ssl

CONTINUE_NEEDED = 1
ERROR_MASK = 0xFFFF0000
CHANNEL_BOUND_FLAG = 2048
MAX_BODY_BYTES = 16 << 20


class Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("value", ctypes.c_void_p)]

    def bytes(self):
        return ctypes.string_at(self.value, self.length) if self.length else b""


class Bindings(ctypes.Structure):
    _fields_ = [
        ("initiator_type", ctypes.c_uint32), ("initiator", Buffer),
        ("acceptor_type", ctypes.c_uint32), ("acceptor", Buffer), ("data", Buffer),
    ]


GSS = ctypes.CDLL("libgssapi_krb5.so.2")


def buffer_of(data):
    return Buffer(len(data), ctypes.cast(ctypes.create_string_buffer(data, len(data)), ctypes.c_void_p))


def status(code, kind):
    minor, more, text = ctypes.c_uint32(), ctypes.c_uint32(), Buffer()
    GSS.gss_display_status(
        ctypes.byref(minor), ctypes.c_uint32(code), kind, None, ctypes.byref(more), ctypes.byref(text)
    )
    return text.bytes().decode(errors="replace")


class Acceptance:
    """One sign-in, of one token or several."""

    def __init__(self, channel):
        self.context = ctypes.c_void_p()
        self.channel = channel
        self.flags = 0

    def step(self, token):
        """Gives the answering token and whether the sign-in is done; raises when it is refused."""
        given, answer, bindings = buffer_of(token), Buffer(), Bindings()
        bindings.data = buffer_of(self.channel)
        minor, flags = ctypes.c_uint32(), ctypes.c_uint32()
        code = GSS.gss_accept_sec_context(
            ctypes.byref(minor), ctypes.byref(self.context), None, ctypes.byref(given),
            ctypes.byref(bindings), None, None, ctypes.byref(answer), ctypes.byref(flags), None, None,
        ) & 0xFFFFFFFF
        if code & ERROR_MASK:
            raise PermissionError(f"{status(code, 1)} ({status(minor.value, 2)})")
        self.flags = flags.value
        return answer.bytes(), not code & CONTINUE_NEEDED


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.acceptance = None
        self.is_known = False

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MAX_BODY_BYTES))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if not token:
            # NTLM signs in the connection.
            return self.forward(body) if self.is_known else self.refuse()
        self.is_known = False
        self.acceptance = self.acceptance or Acceptance(self.server.channel)
        try:
            answer, done = self.acceptance.step(base64.b64decode(token))
            if done and not self.acceptance.flags & CHANNEL_BOUND_FLAG:
                raise PermissionError("the sign-in is not bound to the channel")
        except PermissionError as refusal:
            print(f"refused: {refusal}", flush=True)
            self.acceptance = None
            return self.refuse()
        if not done:
            return self.refuse(f"{scheme} {base64.b64encode(answer).decode()}")
        print(f"accepted by {scheme}, flags {self.acceptance.flags:#x}", flush=True)
        self.acceptance = None
        self.is_known = True
        return self.forward(body)

    def refuse(self, challenge=None):
        self.send_response(401)
        for offer in [challenge] if challenge else ["Negotiate", "NTLM"]:
            self.send_header("WWW-Authenticate", offer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def forward(self, body):
        simulator = http.client.HTTPConnection("127.0.0.1", self.server.simulator)
        simulator.request("POST", "/EWS/Exchange.asmx", body, {
            "Content-Type": "text/xml; charset=utf-8",
            "Authorization": "Basic " + base64.b64encode(b"svc@example.test:secret").decode(),
        })
        answer = simulator.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


def end_point(certificate):
    """tls-server-end-point (RFC 5929) of a certificate that is signed with SHA-384."""
    der = ssl.PEM_cert_to_DER_cert(pathlib.Path(certificate).read_text())
    return b"tls-server-end-point:" + hashlib.sha384(der).digest()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--simulator", type=int, required=True)
    parser.add_argument("--bound-to", required=True, help="the certificate that tokens must name")
    parser.add_argument("--certificate", help="the one that is shown; without it, no TLS")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Handler)
    server.simulator = arguments.simulator
    server.channel = end_point(arguments.bound_to)
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main()
