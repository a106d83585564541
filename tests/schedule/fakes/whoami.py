"""A `whoami /user /fo csv /nh` as documented: name and SID, in quotation marks."""

import os
import sys
from pathlib import Path

if sys.argv[1:] != ["/user", "/fo", "csv", "/nh"]:
    sys.exit(1)
answer = Path(os.environ["FAKE_STATE"], "whoami.txt")
sys.stdout.buffer.write(
    answer.read_bytes()
    if answer.exists()
    else b'"POSTE-12\\operateur","S-1-5-21-1004336348-1177238915-682003330-1001"\r\n'
)
