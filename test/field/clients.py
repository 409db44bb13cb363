"""The clients of the field test that run on Debian's python3-socketio.

They take the commands and give the reports that clients.mjs does.
"""

import json
import os
import sys
import threading

import socketio

writing = threading.Lock()


class Client:
    def __init__(self, spec):
        self.spec = spec
        self.id = spec["id"]
        self.socket = socketio.Client(handle_sigint=False)
        on = self.socket.on
        on("connect", lambda: self.socket.emit("register", {"userId": self.id}))
        on("user-list", lambda data: self.report("registered"))
        on("connect_error", lambda data=None: self.report("refused", text=str(data)))
        on("error", lambda text: self.report("error", text=text))
        on("disconnect", lambda: self.report("lost", text=""))
        on("offer", self.offer)
        on("answer", self.answer)
        on("ice-candidate", lambda data: self.report("ice-candidate", body=data["candidate"]))
        threading.Thread(target=self.connect, daemon=True).start()

    def connect(self):
        """The library reconnects by itself, but only once it was connected."""
        options = {}
        if "transports" in self.spec:
            options["transports"] = self.spec["transports"]
        if "token" in self.spec:
            options["auth"] = lambda: {"token": self.spec["token"]}
        while True:
            try:
                self.socket.connect(self.spec["url"], **options)
                return
            except socketio.exceptions.ConnectionError:
                self.socket.sleep(1)

    def report(self, event, **more):
        with writing:
            print(json.dumps({"key": self.spec["key"], "event": event, **more}), flush=True)

    def send(self, event, to, key, body):
        try:
            self.socket.emit(event, {"to": to, "from": self.id, key: body})
        except socketio.exceptions.BadNamespaceError:
            pass  # disconnected; the disconnect event says so

    def call(self, to, body):
        self.send("offer", to, "offer", body)

    def offer(self, data):
        self.report("offer", body=data["offer"])
        self.send("answer", data["from"], "answer", data["offer"])

    def answer(self, data):
        self.report("answer", body=data["answer"])
        self.send("ice-candidate", data["from"], "candidate", data["answer"])


clients = {}
for line in sys.stdin:
    command = json.loads(line)
    if command["do"] == "join":
        for spec in command["clients"]:
            clients[spec["key"]] = Client(spec)
    elif command["do"] == "call":
        clients[command["key"]].call(command["to"], command["body"])
    elif command["do"] == "leave":
        for key in command["keys"]:
            threading.Thread(target=clients[key].socket.disconnect, daemon=True).start()
os._exit(0)  # threads of the library that wait for a network are not waited for
