"""A `schtasks` as documented, on a French Windows: OEM code page 850, and XML that says UTF-16 and is not."""

import codecs
import json
import os
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_STATE"])
TASK = STATE / "task.xml"


def end(code: int, text: str) -> None:
    """Print a text in the system's language, and end."""
    stream = sys.stderr if code else sys.stdout
    stream.buffer.write(text.encode("cp850"))
    sys.exit(code)


verb, *arguments = sys.argv[1:]
with (STATE / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(["schtasks", *sys.argv[1:]]) + "\n")
if (STATE / "denied").exists() and verb != "/query":
    end(1, "ERREUR : Accès refusé.\r\n")
if arguments[:2] != ["/tn", "FuturScam ETL"]:
    end(1, "ERREUR : nom de tâche incorrect.\r\n")
if verb == "/create":
    data = Path(arguments[arguments.index("/xml") + 1]).read_bytes()
    if not data.startswith(codecs.BOM_UTF16_LE):
        end(1, "ERREUR : Le code XML de la tâche est incorrect.\r\n(1,40)::\r\n")
    if TASK.exists() and "/f" not in arguments:
        end(1, "AVERTISSEMENT : la tâche existe déjà.\r\n")
    TASK.write_bytes(data)
    end(0, "Opération réussie : la tâche planifiée a été créée.\r\n")
if not TASK.exists():
    end(1, "ERREUR : Le fichier spécifié est introuvable.\r\n")
if verb == "/delete":
    TASK.unlink()
    end(0, "Opération réussie : la tâche a été supprimée.\r\n")
end(0, TASK.read_bytes().decode("utf-16"))
