"""A mailbox that can be read by IMAP: one folder, one user, as much of RFC 9051 as that takes."""

from __future__ import annotations

import re
import socketserver
import threading
from typing import Self

USER, PASSWORD, FOLDER = "rollout", "p@ss", "Returned mail"


class ImapServer(socketserver.ThreadingTCPServer):
    """Holds messages by their number, and which of them have been read."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *messages: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.messages = dict(enumerate(messages, start=1))
        self.seen: set[int] = set()

    @property
    def url(self) -> str:
        return f"imap://{USER}:p%40ss@127.0.0.1:{self.server_address[1]}/Returned%20mail"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Line(socketserver.StreamRequestHandler):
    server: ImapServer

    def handle(self) -> None:
        self.say("* OK ready")
        for line in self.rfile:
            tag, _, command = line.decode().strip().partition(" ")
            answer = self.obey(command)
            self.say(f"{tag} {answer}")
            if command == "LOGOUT":
                return

    def obey(self, command: str) -> str:
        if command == "CAPABILITY":
            self.say("* CAPABILITY IMAP4rev1")
        elif command.startswith("LOGIN"):
            right = command in {f'LOGIN {USER} "{PASSWORD}"', f'LOGIN "{USER}" "{PASSWORD}"'}
            return "OK come in" if right else "NO who are you?"
        elif command.startswith("SELECT"):
            if command != f'SELECT "{FOLDER}"':
                return "NO no such folder"
            self.say(f"* {len(self.server.messages)} EXISTS")
        elif command == "UID SEARCH UNSEEN":
            unread = sorted(self.server.messages.keys() - self.server.seen)
            self.say(" ".join(["* SEARCH", *map(str, unread)]))
        elif found := re.match(r"UID FETCH (\d+) ", command):
            raw = self.server.messages[int(found.group(1))]
            self.say(f"* 1 FETCH (UID {found.group(1)} BODY[] {{{len(raw)}}}")
            self.wfile.write(raw)
            self.say(")")
        elif found := re.match(r"UID STORE (\d+) \+FLAGS.SILENT \(\\Seen\)", command):
            self.server.seen.add(int(found.group(1)))
        elif command == "LOGOUT":
            self.say("* BYE")
        else:
            return "BAD what?"
        return "OK done"

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
