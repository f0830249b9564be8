"""pyftpdlib as an FTP server on loopback, with TLS where a certificate is given."""

import argparse

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--certificate")
    options = parser.parse_args()
    handler = TLS_FTPHandler if options.certificate else FTPHandler
    handler.authorizer = DummyAuthorizer()
    # Everything but changing modes and times.
    handler.authorizer.add_user(options.user, options.password, options.folder, perm="elradfmw")
    if options.certificate:
        handler.certfile = options.certificate
        handler.tls_control_required = True
        handler.tls_data_required = True
    ThreadedFTPServer(("127.0.0.1", options.port), handler).serve_forever()


if __name__ == "__main__":
    main()
