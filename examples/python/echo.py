"""Registers a user, and sends every custom message back to its sender.

pip install "python-socketio[client]"
"""

import os

import socketio

USER_ID = os.environ.get("ECHO_ID", "echo")
client = socketio.Client()


@client.event
def connect():
    client.emit("register", {"userId": USER_ID}, callback=lambda result: print("registered:", result, flush=True))


@client.on("custom-message")
def custom_message(data):
    client.emit("custom-message", {"to": data["from"], "from": USER_ID, "message": data["message"]})


@client.on("error")
def error(text):
    print("error:", text, flush=True)


client.connect(os.environ.get("SERVER", "http://localhost:3001"), transports=["websocket"])
client.wait()
