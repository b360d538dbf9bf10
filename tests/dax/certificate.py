"""Certificates for tests: `certificate.py FOLDER NAME...` makes `ca.crt`, `tls.crt` and `tls.key`."""

import pathlib
import sys

import trustme


def certificate(folder, *names):
    """Makes `tls.crt` and `tls.key` for those names, and returns the file of the authority."""
    authority = trustme.CA()
    issued = authority.issue_cert(*names)
    (folder / "tls.crt").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    (folder / "tls.key").write_bytes(issued.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    return str(folder / "ca.crt")


if __name__ == "__main__":
    certificate(pathlib.Path(sys.argv[1]), *sys.argv[2:])
