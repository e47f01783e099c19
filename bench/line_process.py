"""Serves lines: each line of JSON on stdin is answered with one on stdout, see bench/line-process.ts."""

import json
import sys


def serve(server):
    """Answers each request by the method of `server` that its "kind" names: {"ok": ...}, or {"error": "..."} if that raised."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(server, request["kind"])(request)}
        except Exception as error:  # told to the one who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
