"""Checks the result of a load: the responses of the clients, and the records of the services.

load.py REQUESTS H2LOAD_OUTPUT LOG...
"""

import json
import re
import sys

wanted, output, *logs = sys.argv[1:]
with open(output, encoding="utf-8") as file:
    text = file.read()
counts = re.search(
    r"requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, "
    r"(\d+) errored, (\d+) timeout",
    text,
)
total, started, done, succeeded, failed, errored, timeout = map(int, counts.groups())
statuses = {name: int(count) for count, name in re.findall(r"(\d+) (\dxx)", text)}
print(f"seen: {started} requests, {failed} failed, {errored} errored, {timeout} late, {statuses}")

handled = unfinished = 0
for log in logs:
    with open(log, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    assert records[-1]["message"] == "shutdown_complete", log
    assert records[-1]["requestsCutOff"] == 0, records[-1]
    assert records[-1]["logRecordsDropped"] == 0, records[-1]
    access = [record for record in records if record["message"] == "http_request"]
    handled += sum(record["status"] == 200 for record in access)
    unfinished += sum(record["status"] != 200 for record in access)
print(f"seen: {handled} access records with status 200, {unfinished} with another")

assert failed == errored == timeout == 0
assert statuses["3xx"] == statuses["4xx"] == statuses["5xx"] == 0
# At the requested rate: a load that stopped would lose nothing either.
assert started >= 0.95 * int(wanted), f"{started} of {wanted}"
# Requests in flight at the end of the load have a record, and no counted response.
assert succeeded <= handled <= started + 50, (succeeded, handled, started)
