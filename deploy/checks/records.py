"""Reads a service's log from standard input: each line must be a record, and nothing else.

records.py [--access COUNT] [--last MESSAGE]
"""

import argparse
import json
import sys

FIRST = ["asctime", "levelname", "name", "process", "threadName", "message", "request_id"]

parser = argparse.ArgumentParser()
parser.add_argument("--access", type=int)
parser.add_argument("--last")
asked = parser.parse_args()

records = []
for line in sys.stdin.buffer:
    assert line.endswith(b"\n"), line
    record = json.loads(line)
    assert list(record)[: len(FIRST)] == FIRST, line
    records.append(record)

access = [record for record in records if record["message"] == "http_request"]
if asked.access is not None:
    assert len(access) == asked.access, f"{len(access)} access records"
if asked.last is not None:
    assert records[-1]["message"] == asked.last, records[-1]
print(f"seen: {len(records)} records, {len(access)} of them of access")
