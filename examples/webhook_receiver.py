"""A receiver of webhooks: prints each event that is signed with the secret, once.

    WEBHOOK_SECRET=whsec_… python3 examples/webhook_receiver.py [PORT]
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


def verify(secret: str, headers, body: bytes, tolerance: int = 300) -> dict:
    """Returns the event, or raises ValueError. `body` is what arrived, byte for byte: parse it only afterwards."""
    sent = headers["webhook-timestamp"]
    if abs(time.time() - int(sent)) > tolerance:
        raise ValueError("too old: somebody may be playing it again")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{sent}.".encode() + body
    want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(want, one) for one in headers["webhook-signature"].split()):
        raise ValueError("not signed by us")
    return json.loads(body)


class Receiver(BaseHTTPRequestHandler):
    seen: set[str] = set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = verify(os.environ["WEBHOOK_SECRET"], self.headers, body)
        except (ValueError, TypeError) as fault:
            self.send_error(401, str(fault))
            return
        # The same id again is the same event: an answer of ours was lost, or somebody asked for it once more.
        if self.headers["webhook-id"] not in self.seen:
            self.seen.add(self.headers["webhook-id"])
            print(event["type"], json.dumps(event["data"]), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
