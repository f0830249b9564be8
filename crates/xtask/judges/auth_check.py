"""Lets strangers judge how ews-client signs in: Apache with mod_auth_gssapi and gss-ntlmssp, and
an MIT Kerberos KDC, in front of `postkeep sim`. Channel bindings, which mod_auth_gssapi knows
nothing of, are judged by the libraries below it (`gss_acceptor.py`). Apache's proxy judges sign-ins
through CONNECT, and Apache with nothing but CBC cipher suites how legacy TLS is spoken. The other
way round, curl with the system's GSSAPI judges how the simulator takes Kerberos.

Debian packages: apache2 libapache2-mod-auth-gssapi gss-ntlmssp krb5-kdc krb5-admin-server
krb5-user openssl curl. Everything lives in a scratch folder and listens on the loopback interface.
"""

import argparse
import base64
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse

USER = "svc@example.test"
PASSWORD = "Pa55 w\u00f6rd!"
MODULES = pathlib.Path("/usr/lib/apache2/modules")
LOADED = [
    "mpm_event", "authn_core", "authz_core", "authz_user", "auth_gssapi", "proxy", "proxy_http",
    "headers", "ssl", "socache_shmcb", "proxy_connect", "auth_basic", "authn_file",
]
# What Windows Server 2012 R2 offers besides suites that are as old.
CBC = "ECDHE-RSA-AES256-SHA384"
GET_FOLDER = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
 xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>
 <t:RequestServerVersion Version="Exchange2013_SP1"/></s:Header><s:Body><m:GetFolder>
 <m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>
 <t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:EmailAddress>svc@example.test</t:EmailAddress>
 </t:Mailbox></t:DistinguishedFolderId></m:FolderIds></m:GetFolder></s:Body></s:Envelope>"""
PROXY_USER, PROXY_PASSWORD = "way", "thr\u00f6ugh"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}")


class Judge:
    def __init__(self, arguments):
        self.scratch = pathlib.Path(arguments.scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.scratch.chmod(0o755)
        self.example = arguments.example
        self.postkeep = arguments.postkeep
        self.processes = []
        self.failed = 0
        self.checks = 0
        self.sim, self.kdc, self.plain, self.tls, self.krb, self.krb_tls = free_ports(6)
        self.cbc, self.cbc_ntlm, self.proxy = free_ports(3)
        self.own_plain, self.own_tls, self.own_other = free_ports(3)
        self.fingerprints = {}
        self.bound = {}
        self.environment = dict(
            os.environ,
            KRB5_CONFIG=str(self.scratch / "krb5.conf"),
            KRB5_KDC_PROFILE=str(self.scratch / "kdc.conf"),
            KRB5CCNAME=f"FILE:{self.scratch / 'ccache'}",
            KRB5_KTNAME=f"FILE:{self.scratch / 'keytab'}",
            NTLM_USER_FILE=str(self.scratch / "ntlm-users"),
        )

    def start(self, command, port, name=None, **more):
        log = open(self.scratch / f"{name or pathlib.Path(command[0]).name}.log", "ab")
        environment = dict(self.environment, **more)
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        wait_for(port)

    def run(self, *command, **more):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, **more)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def servers(self):
        self.start(
            [self.postkeep, "sim", "--mailbox", USER, "--listen", f"127.0.0.1:{self.sim}"], self.sim
        )
        self.kerberos()
        self.certificates()
        for meant in ["own", "other", "none"]:
            self.acceptor(meant)
        self.apache()
        self.own_servers()

    def own_servers(self):
        """The simulator itself with Kerberos: over HTTP, over TLS, and with another service's keys."""
        for name, port, tls, keytab in [
            ("own-plain", self.own_plain, [], "keytab"), ("own-tls", self.own_tls, ["--tls"], "keytab"),
            ("own-other", self.own_other, [], "other-keytab"),
        ]:
            command = self.own_server(port) + tls
            self.start(command, port, name, KRB5_KTNAME=f"FILE:{self.scratch / keytab}")
        told = None
        for _ in range(100):
            told = re.search(r'"tls_fingerprint": *"([0-9A-F:]+)"', self.log_of("own-tls"))
            if told:
                break
            time.sleep(0.1)
        self.fingerprints[self.own_tls] = told[1]

    def log_of(self, name):
        return (self.scratch / f"{name}.log").read_text()

    def own_server(self, port):
        return [
            self.postkeep, "--json", "sim", "--mailbox", USER, "--kerberos", "--sign-in", "negotiate",
            "--listen", f"127.0.0.1:{port}",
        ]

    def acceptor(self, meant):
        """A server that wants tokens bound to its certificate, to another one as behind a relay,
        or to its own on a connection without TLS, where no token can be."""
        [port] = free_ports(1)
        self.bound[meant] = port
        bound_to = "other.pem" if meant == "other" else "cert.pem"
        command = [
            sys.executable, str(pathlib.Path(__file__).parent / "gss_acceptor.py"),
            "--port", str(port), "--simulator", str(self.sim),
            "--bound-to", str(self.scratch / bound_to),
        ]
        if meant != "none":
            command += ["--certificate", str(self.scratch / "cert.pem")]
            command += ["--key", str(self.scratch / "key.pem")]
        self.start(command, port, f"acceptor-{meant}")

    def certificates(self):
        for key, certificate in [("key.pem", "cert.pem"), ("other-key.pem", "other.pem")]:
            self.run(
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-sha384", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                "-keyout", str(self.scratch / key), "-out", str(self.scratch / certificate),
            )

    def kerberos(self):
        (self.scratch / "krb5.conf").write_text(
            "[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n"
            " dns_canonicalize_hostname = false\n rdns = false\n"
            f"[realms]\n EXAMPLE.TEST = {{\n  kdc = 127.0.0.1:{self.kdc}\n }}\n"
        )
        (self.scratch / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_ports = {self.kdc}\n kdc_tcp_ports = {self.kdc}\n"
            f"[realms]\n EXAMPLE.TEST = {{\n  database_name = {self.scratch}/principal\n"
            f"  key_stash_file = {self.scratch}/stash\n  acl_file = {self.scratch}/acl\n }}\n"
        )
        self.run("kdb5_util", "create", "-r", "EXAMPLE.TEST", "-s", "-P", "master")
        for principal, key in [
            ("svc", ["-pw", PASSWORD]), ("nobody", ["-pw", PASSWORD]),
            ("HTTP/localhost", ["-randkey"]), ("HTTP/elsewhere", ["-randkey"]),
        ]:
            self.run("kadmin.local", "addprinc", *key, principal)
        for keytab, service in [("keytab", "HTTP/localhost"), ("other-keytab", "HTTP/elsewhere")]:
            self.run("kadmin.local", "ktadd", "-k", str(self.scratch / keytab), service)
            (self.scratch / keytab).chmod(0o644)
        self.start(["krb5kdc", "-n", "-P", str(self.scratch / "kdc.pid")], self.kdc)

    def apache(self):
        users = self.scratch / "ntlm-users"
        users.write_text(f"EXAMPLE:svc:{PASSWORD}\n", encoding="utf-8")
        users.chmod(0o644)
        basic = base64.b64encode(b"svc@example.test:secret").decode()
        lines = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED]
        lines += [
            f"ServerRoot {self.scratch}", "ServerName localhost", f"PidFile {self.scratch}/pid",
            f"ErrorLog {self.scratch}/error.log", "LogLevel info auth_gssapi:debug",
            f"DefaultRuntimeDir {self.scratch}", f"Mutex file:{self.scratch}",
        ]
        if os.geteuid() == 0:
            lines += ["User www-data", "Group www-data"]
        lines += self.forward_proxy()
        for port, mechanism, tls in [
            (self.plain, "ntlmssp", False), (self.tls, "ntlmssp", True),
            (self.cbc, None, CBC), (self.cbc_ntlm, "ntlmssp", CBC),
            (self.krb, "krb5", False), (self.krb_tls, "krb5", True),
        ]:
            lines += [f"Listen 127.0.0.1:{port}", f"<VirtualHost 127.0.0.1:{port}>"]
            if tls:
                lines += [
                    "SSLEngine On", f"SSLCertificateFile {self.scratch}/cert.pem",
                    f"SSLCertificateKeyFile {self.scratch}/key.pem",
                ]
            if tls == CBC:
                lines += ["SSLProtocol TLSv1.2", f"SSLCipherSuite {CBC}"]
            if mechanism is None:
                # The simulator itself asks who it is.
                lines += [
                    "<Location /EWS>", f"ProxyPass http://127.0.0.1:{self.sim}/EWS", "</Location>",
                    "</VirtualHost>",
                ]
                continue
            bound = "On" if mechanism == "ntlmssp" else "Off"
            lines += [
                "<Location /EWS>", "AuthType GSSAPI", "AuthName judge", "Require valid-user",
                f"GssapiAllowedMech {mechanism}", f"GssapiConnectionBound {bound}",
            ]
            if mechanism == "krb5":
                # gss-ntlmssp would take a store for somebody's password.
                lines += [f"GssapiCredStore keytab:{self.scratch}/keytab"]
            lines += [
                f'RequestHeader set Authorization "Basic {basic}"',
                f"ProxyPass http://127.0.0.1:{self.sim}/EWS", "</Location>", "</VirtualHost>",
            ]
        (self.scratch / "httpd.conf").write_text("\n".join(lines) + "\n")
        self.start(
            ["apache2", "-DFOREGROUND", "-f", str(self.scratch / "httpd.conf")], self.krb_tls
        )

    def forward_proxy(self):
        """A proxy that makes tunnels for those who know its password."""
        users = self.scratch / "proxy-users"
        hashed = subprocess.run(
            ["openssl", "passwd", "-apr1", PROXY_PASSWORD], capture_output=True, text=True
        )
        users.write_text(f"{PROXY_USER}:{hashed.stdout.strip()}\n")
        users.chmod(0o644)
        ports = " ".join(str(port) for port in [self.tls, self.krb_tls, *self.bound.values()])
        return [
            f"Listen 127.0.0.1:{self.proxy}", f"<VirtualHost 127.0.0.1:{self.proxy}>",
            "ProxyRequests On", f"AllowCONNECT {ports}", "<Proxy *>", "AuthType Basic",
            "AuthName proxy", "AuthBasicProvider file", f"AuthUserFile {users}",
            "Require valid-user", "</Proxy>", "</VirtualHost>",
        ]

    def check(self, name, port, user, way, password, expected, tls=False, **more):
        scheme = "https" if tls else "http"
        url = f"{scheme}://localhost:{port}/EWS/Exchange.asmx"
        pin = more.pop("pin", "cert.pem") if tls else None
        print_of = self.fingerprints.get(port) or (self.fingerprint(pin) if pin else None)
        command = [self.example, url, user, way] + ([print_of] if print_of else [])
        environment = dict(self.environment, EWS_PASSWORD=password, **more)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        told = done.stdout + done.stderr
        ok = (done.returncode == 0) == (expected is None) and (expected or "Inbox") in told
        self.note(name, ok, told)

    def note(self, name, ok, told):
        self.checks += 1
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {name}" + ("" if ok else f"\n     {told.strip()}"))

    def fingerprint(self, name):
        command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in"]
        done = subprocess.run(command + [str(self.scratch / name)], capture_output=True, text=True)
        return done.stdout.strip().split("=", 1)[1]

    def judge(self):
        refused = "refuses the user name or password"
        for way in ["ntlm", "negotiate"]:
            for tls, port in [(False, self.plain), (True, self.tls)]:
                over = "TLS" if tls else "HTTP"
                # gss-ntlmssp's file of users wants the domain letter by letter.
                for user in ["EXAMPLE\\svc", "EXAMPLE\\SVC"]:
                    name = f"gss-ntlmssp takes {way} over {over} from {user}"
                    self.check(name, port, user, way, PASSWORD, None, tls)
                name = f"gss-ntlmssp refuses a wrong password by {way} over {over}"
                self.check(name, port, "EXAMPLE\\svc", way, "wrong", refused, tls)
        self.check("auto finds NTLM", self.plain, "EXAMPLE\\svc", "auto", PASSWORD, None)
        self.legacy_checks()
        self.kerberos_checks()

    def kerberos_checks(self):
        for tls, port in [(False, self.krb), (True, self.krb_tls)]:
            over = "TLS" if tls else "HTTP"
            self.run("kinit", "svc", input=PASSWORD + "\n")
            self.check(f"Kerberos over {over}", port, "svc", "kerberos", "", None, tls)
            self.run("kdestroy")
            name = f"no ticket over {over} is said"
            self.check(name, port, "svc", "kerberos", "", "no Kerberos ticket", tls)
        self.channel_checks()
        self.run("kinit", "-l", "2s", "svc", input=PASSWORD + "\n")
        time.sleep(3)
        self.check("an expired ticket is said", self.krb, "svc", "kerberos", "", "expired")
        self.curl_checks("an expired ticket", 401)
        self.run("kdestroy")
        self.own_checks()

    def own_checks(self):
        """The simulator's own judgement of tickets."""
        refused = "refuses the"
        for principal, expected in [("svc", None), ("nobody", refused)]:
            self.run("kinit", principal, input=PASSWORD + "\n")
            known = "takes a known principal's" if expected is None else "refuses an unknown principal's"
            for over, port, tls in [("HTTP", self.own_plain, False), ("TLS", self.own_tls, True)]:
                name = f"the simulator {known} ticket over {over}"
                self.check(name, port, principal, "kerberos", "", expected, tls)
            self.curl_checks(f"the ticket of {principal}", 200 if expected is None else 401)
            name = f"the simulator refuses {principal}'s ticket for another service"
            self.check(name, self.own_other, principal, "kerberos", "", refused)
            self.run("kdestroy")
        self.curl_checks("no ticket", 401)
        for password, expected in [("secret", None), ("wrong", refused)]:
            name = f"the simulator {'refuses' if expected else 'takes'} NTLM beside Kerberos"
            self.check(name, self.own_plain, "EXAMPLE\\svc", "negotiate", password, expected)
        keys = dict(self.environment, KRB5_KTNAME=f"FILE:{self.scratch / 'absent'}")
        done = subprocess.run(self.own_server(0), env=keys, capture_output=True, text=True, timeout=60)
        told = done.stdout + done.stderr
        ok = done.returncode != 0 and "KRB5_KTNAME" in told
        self.note("a simulator without keys says what it looked for", ok, told)

    def curl_checks(self, what, expected):
        """curl lets the system's own SPNEGO talk; the answer proves the server to it."""
        body = self.scratch / "get-folder.xml"
        body.write_text(GET_FOLDER)
        for over, url in [
            ("HTTP", f"http://localhost:{self.own_plain}/EWS/Exchange.asmx"),
            ("TLS", f"https://localhost:{self.own_tls}/EWS/Exchange.asmx"),
        ]:
            command = [
                "curl", "--silent", "--show-error", "--insecure", "--negotiate", "--user", ":",
                "--header", "Content-Type: text/xml; charset=utf-8", "--data-binary", f"@{body}",
                "--dump-header", "-", url,
            ]
            done = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, timeout=60
            )
            heads = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("HTTP/")]
            ok = heads[-1:] == [str(expected)]
            if expected == 200:
                ok = ok and "Inbox" in done.stdout and "negotiate oy" in done.stdout.lower()
            self.note(f"curl with {what} over {over}: {expected}", ok, done.stdout + done.stderr)

    def legacy_checks(self):
        """A server that offers one CBC cipher suite of TLS 1.2 and nothing else."""
        old = {"EWS_TLS": "legacy"}
        ca = {"EWS_CA_FILE": str(self.scratch / "cert.pem"), "pin": None}
        other = {"EWS_CA_FILE": str(self.scratch / "other.pem"), "pin": None}
        basic = (self.cbc, USER, "basic", "secret")
        for name, expected, more in [
            ("modern TLS and a CBC server have nothing in common", "only legacy TLS speaks", {}),
            ("legacy TLS reaches a CBC server with a pinned certificate", None, old),
            ("legacy TLS refuses another certificate than the pinned one", "not the pinned one",
             old | {"pin": "other.pem"}),
            ("legacy TLS trusts an authority of one's own", None, old | ca),
            ("legacy TLS refuses what nobody vouches for", "cannot connect", old | {"pin": None}),
            ("legacy TLS refuses what another authority did not sign", "cannot connect",
             old | other),
        ]:
            self.check(name, *basic, expected, True, **more)
        for way in ["ntlm", "negotiate"]:
            name = f"{way} signs in over legacy TLS"
            self.check(name, self.cbc_ntlm, "EXAMPLE\\svc", way, PASSWORD, None, True, **old)
        refused = "refuses the user name or password"
        name = "a wrong password is refused over legacy TLS"
        self.check(name, self.cbc_ntlm, "EXAMPLE\\svc", "ntlm", "wrong", refused, True, **old)

    def through(self, password=PROXY_PASSWORD):
        secret = urllib.parse.quote(password)
        return {"EWS_PROXY": f"http://{PROXY_USER}:{secret}@localhost:{self.proxy}/"}

    def proxy_checks(self):
        """Sign-ins through a tunnel are bound to the server's certificate all the same."""
        for way, user, password in [
            ("kerberos", "svc", ""), ("ntlm", "EXAMPLE\\svc", PASSWORD),
            ("negotiate", "EXAMPLE\\svc", PASSWORD),
        ]:
            for meant, told, expected in [
                ("own", "its own certificate is taken", None),
                ("other", "another server's certificate is refused", "refuses the"),
            ]:
                name = f"{way} through a proxy bound to {told}"
                port = self.bound[meant]
                self.check(name, port, user, way, password, expected, True, **self.through())
        ntlm = (self.tls, "EXAMPLE\\svc", "ntlm", PASSWORD)
        name = "gss-ntlmssp takes ntlm through a proxy"
        self.check(name, *ntlm, None, True, **self.through())
        name = "a proxy that refuses its password is said"
        self.check(name, *ntlm, "proxy", True, **self.through("wrong"))

    def channel_checks(self):
        self.run("kinit", "svc", input=PASSWORD + "\n")
        for way, user, password in [
            ("kerberos", "svc", ""),
            ("ntlm", "EXAMPLE\\svc", PASSWORD),
            ("negotiate", "EXAMPLE\\svc", PASSWORD),
        ]:
            for meant, told, expected in [
                ("own", "its own certificate is taken", None),
                ("other", "another server's certificate is refused", "refuses the"),
                ("none", "nothing is refused", "refuses the"),
            ]:
                name = f"{way} bound to {told}"
                port = self.bound[meant]
                self.check(name, port, user, way, password, expected, meant != "none")
        self.proxy_checks()
        self.run("kdestroy")

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(10)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", required=True)
    parser.add_argument("--example", required=True)
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    for program in ["apache2", "krb5kdc", "kinit", "openssl", "curl"]:
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            sys.exit(f"{program} is missing; see the head of {__file__}")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    judge = Judge(arguments)
    try:
        judge.servers()
        judge.judge()
    finally:
        judge.stop()
    print(f"{judge.checks - judge.failed} of {judge.checks} checks passed")
    sys.exit(1 if judge.failed else 0)


main()
