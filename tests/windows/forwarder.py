"""Write a DLL that wine 8 lacks: bcryptprimitives.dll, whose one function today's Rust programs start with.

`ProcessPrng(buffer, length)` gives random bytes; advapi32 has the same function under an older name. The DLL holds no
code, only an export that sends callers there.

    python forwarder.py FOLDER/bcryptprimitives.dll
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Final

NAME: Final = b"bcryptprimitives.dll\0"
FUNCTION: Final = b"ProcessPrng\0"
FORWARD: Final = b"advapi32.SystemFunction036\0"

_IN_FILE: Final = 0x200
_IN_MEMORY: Final = 0x1000
_DLL: Final = 0x2022  # Executable, large addresses, a DLL.
_RELOCATABLE: Final = 0x0140  # May lie anywhere, holds no code that could be run.


def library() -> bytes:
    """The file: headers, and one section that is the export table."""
    section = _exports()
    size = len(section)
    section += bytes(-size % _IN_FILE)
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, _DLL)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, len(section), 0, 0, _IN_MEMORY)
    optional += struct.pack("<QIIHHHHHH", 0x180000000, _IN_MEMORY, _IN_FILE, 6, 0, 0, 0, 6, 0)
    optional += struct.pack("<IIIIHH", 0, 2 * _IN_MEMORY, _IN_FILE, 0, 2, _RELOCATABLE)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    optional += struct.pack("<II", _IN_MEMORY, size) + bytes(15 * 8)
    header = struct.pack("<8sIIIIIIHHI", b".rdata", size, _IN_MEMORY, len(section), _IN_FILE, 0, 0, 0, 0, 0x40000040)
    head = dos + b"PE\0\0" + coff + optional + header
    return head + bytes(_IN_FILE - len(head)) + section


def _exports() -> bytes:
    """The export directory (40 bytes), its three tables of one entry each, and the names that they point to."""
    functions, names, ordinals = (_IN_MEMORY + offset for offset in (40, 44, 48))
    name = _IN_MEMORY + 52
    function = name + len(NAME)
    forward = function + len(FUNCTION)
    directory = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, name, 1, 1, 1, functions, names, ordinals)
    # An address inside the export table itself is read as the name of where to go.
    return directory + struct.pack("<IIHH", forward, function, 0, 0) + NAME + FUNCTION + FORWARD


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(library())
