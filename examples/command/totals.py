"""Adds up one order. Knows its item, a folder for its output, and of no cloud at all."""

import json
import os
import pathlib
import sys

told = json.load(sys.stdin)  # the same as the variables say: item, run, attempt, payload
order = os.environ["PROVISION_ITEM"]
output = pathlib.Path(os.environ["PROVISION_OUTPUT"])

print(f"adding up {order}, attempt {told['attempt']}")

if order == "order-busy" and told["attempt"] == 1:
    print("the ledger is busy", file=sys.stderr)
    sys.exit(1)  # anything but 0 and 65: to be tried again

number = order.removeprefix("order-")
if number != "busy" and not number.isdigit():
    print(f"{order} is not the number of an order", file=sys.stderr)
    sys.exit(65)  # no other attempt can help: the item has failed

lines = [{"line": line, "amount": line * len(order)} for line in range(1, 4)]
(output / "lines.json").write_text(json.dumps(lines))
(output / "total.txt").write_text(f"{sum(line['amount'] for line in lines)}\n")
