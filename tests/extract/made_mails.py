"""Makes contents of mails: TNEF, S/MIME and zip, built by the rules of their formats without our code."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import struct
import zipfile
from email.message import EmailMessage
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

LONG_FILENAME, FILENAME, OBJECT, MIME_TYPE, BODY, HTML = 0x3707, 0x3704, 0x3701, 0x370E, 0x1000, 0x1013
SIGNED: Final = bytes.fromhex("06092a864886f70d010702")
DATA: Final = bytes.fromhex("06092a864886f70d010701")
COMPRESSED: Final = bytes.fromhex("060b2a864886f70d0109100109")
AUTHENTICATED: Final = bytes.fromhex("060b2a864886f70d0109100117")


def attribute(level: int, number: int, value: bytes) -> bytes:
    """One attribute of TNEF, with its checksum."""
    return struct.pack("<BHHL", level, number, 6, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def prop(number: int, value_type: int, value: bytes, *, name: str | int | None = None) -> bytes:
    """A MAPI property with one value of variable size; `name` makes it a named property."""
    head = struct.pack("<HH", value_type, number)
    if isinstance(name, int):
        head += b"G" * 16 + struct.pack("<LL", 0, name)
    elif name is not None:
        text = f"{name}\0".encode("utf-16-le")
        head += b"G" * 16 + struct.pack("<LL", 1, len(text)) + _padded(text)
    return head + struct.pack("<LL", 1, len(value)) + _padded(value)


def fixed(number: int, value_type: int, value: bytes) -> bytes:
    """A MAPI property of a fixed size, whose value is already padded."""
    return struct.pack("<HH", value_type, number) + value


def text(value: str) -> bytes:
    """A text as Outlook writes it in Unicode."""
    return f"{value}\0".encode("utf-16-le")


def properties(*props: bytes) -> bytes:
    """A list of properties."""
    return struct.pack("<L", len(props)) + b"".join(props)


def tnef_file(title: str, content: bytes, *props: bytes) -> bytes:
    """An attachment: its title, its old name, its bytes and its properties."""
    return b"".join(
        (
            attribute(2, 0x9002, b"\1\0" + b"\xff" * 12),
            attribute(2, 0x8010, title.encode("cp1252") + b"\0"),
            attribute(2, 0x800F, content),
            attribute(2, 0x9005, properties(*props)),
        )
    )


def tnef(*parts: bytes, message: tuple[bytes, ...] = ()) -> bytes:
    """A winmail.dat: attributes of the mail, then its attachments."""
    begin = b"\x78\x9f\x3e\x22\x01\x00" + attribute(1, 0x9006, struct.pack("<L", 0x10000))
    begin += attribute(1, 0x9007, struct.pack("<LL", 1252, 0))
    own = attribute(1, 0x9003, properties(*message)) if message else b""
    return begin + own + b"".join(parts)


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of some files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def encrypted_zip(files: dict[str, bytes]) -> bytes:
    """A zip whose files are marked as encrypted."""
    content = bytearray(zipped(files))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + offset] |= 1
    return bytes(content)


def signed(mime: bytes) -> bytes:
    """An opaque S/MIME message, signed."""
    certificate, key = _identity()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(mime).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def enveloped(mime: bytes) -> bytes:
    """An encrypted S/MIME message."""
    certificate, _ = _identity()
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(mime).add_recipient(certificate)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def mime(*attachments: tuple[str, bytes], text: str = "See attachment.") -> bytes:
    """A mail, as it is signed or saved."""
    mail = EmailMessage()
    mail["Subject"] = "JP000001"
    mail.set_content(text)
    for name, content in attachments:
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def containers(post: bytes) -> dict[str, bytes]:
    """A post in each kind of container, by the container's name."""
    return {
        "export.zip": zipped({"jobpost.json": post}),
        "jobpost.json.gz": gzip.compress(post),
        "winmail.dat": tnef(tnef_file("jobpost.json", post)),
        "smime.p7m": signed(mime(("jobpost.json", post))),
        "FW JP000001.eml": mime(("jobpost.json", post)),
        "nested.zip": zipped({"a.eml": mime(("winmail.dat", tnef(tnef_file("jobpost.json", post))))}),
    }


def der(tag: int, *contents: bytes) -> bytes:
    """A value of DER."""
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def openly(tag: int, *contents: bytes) -> bytes:
    """A BER value of indefinite length."""
    return bytes([tag, 0x80]) + b"".join(contents) + b"\0\0"


def streamed(mime: bytes, size: int = 1000) -> bytes:
    """A signed message as written by programs that stream: in pieces, with indefinite lengths."""
    pieces = [der(0x04, mime[at : at + size]) for at in range(0, len(mime), size)]
    content = openly(0x30, DATA, openly(0xA0, openly(0x24, *pieces)))
    return openly(0x30, SIGNED, openly(0xA0, openly(0x30, b"\x02\x01\x01", b"\x31\x00", content, b"\x31\x00")))


def _padded(value: bytes) -> bytes:
    return value + b"\0" * (-len(value) % 4)


@cache
def _identity() -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "exports@platform.example.com")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return certificate, key


REFUSED: Final = {
    "corrupt zip": ("jobpost.zip", zipped({"jobpost.json": b"{}"})[:-30], "unreadable"),
    "encrypted zip": ("jobpost.zip", encrypted_zip({"jobpost.json": b"{}"}), "encrypted"),
    "encrypted mail": ("smime.p7m", enveloped(mime(("jobpost.json", b"{}"))), "encrypted"),
    "corrupt gzip": ("jobpost.json.gz", gzip.compress(b"{}")[:-9], "unreadable"),
    "corrupt winmail.dat": ("winmail.dat", tnef(tnef_file("jobpost.json", b"{}"))[:-9], "unreadable"),
}
"""Attachments that cannot be opened: name, content, and the code of the reject."""
