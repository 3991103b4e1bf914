"""The conversation between a benchmark and a Python peer: one JSON object a line on stdin, one JSON answer on stdout.

A peer registers one function per command. A request is `{"cmd": NAME, …arguments}`; the answer holds what the function
returned, or `{"error": TEXT}`. The peer ends when stdin closes, so it never outlives the benchmark that started it.
"""

import json
import os
import sys
import traceback


def open_answers():
    """Claims stdout for answers and sends everything else that prints (C++ logging included) to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def serve(commands, answers):
    for line in sys.stdin:
        if not line.strip():
            continue
        request = json.loads(line)
        name = request.pop("cmd")
        try:
            answer = commands[name](**request)
        except Exception as error:  # reported to the benchmark, which fails with this text
            traceback.print_exc()
            answer = {"error": f"{name}: {type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
