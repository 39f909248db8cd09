"""An ingest that stays carries nothing of training and releasing."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"sklearn", "onnx", "onnxruntime", "tuf", "cryptography", "scipy"}


def test_the_command_line_imports_what_it_uses_when_it_uses_it() -> None:
    code = (
        "import json, sys, fleet.__main__\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not HEAVY & set(json.loads(done.stdout))
