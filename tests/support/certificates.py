"""Certificates for tests, made by openssl in a directory of the test's own."""

import pathlib
import subprocess

CONFIG = """
[ca]
default_ca = it
[it]
database = {dir}/index.txt
new_certs_dir = {dir}
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """A CA in `directory`. Its own certificate is the file `ca`."""

    def __init__(self, directory, name="ca"):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir()
        (self.directory / "index.txt").touch()
        (self.directory / "conf").write_text(CONFIG.format(dir=self.directory))
        self.ca, self._key = self._make_self_signed("ca", f"/CN={name}", "basicConstraints=critical,CA:TRUE")

    def _path(self, name):
        return str(self.directory / name)

    def _make_self_signed(self, name, subject, extension):
        certificate, key = self._path(f"{name}.crt"), self._path(f"{name}.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", key, "-out", certificate, "-subj", subject, "-addext", extension)
        return certificate, key

    def issue(self, name, alternatives, start="20200101000000Z", end="20990101000000Z"):
        """A certificate for `alternatives` (as `DNS:host,IP:127.0.0.1`): its file and its key's."""
        certificate, key, request = (self._path(f"{name}.{end}") for end in ("crt", "key", "csr"))
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                 key, "-out", request, "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}")
        _openssl("ca", "-batch", "-config", self._path("conf"), "-cert", self.ca, "-keyfile", self._key,
                 "-in", request, "-out", certificate, "-notext", "-startdate", start, "-enddate", end)
        return certificate, key

    def self_signed(self, name, alternatives):
        """One that no CA signed."""
        return self._make_self_signed(name, f"/CN={name}", f"subjectAltName={alternatives}")


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
