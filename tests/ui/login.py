"""A registry that asks for a login."""

from __future__ import annotations

import base64

from .wire import Ui, answer

LOGIN = "Basic " + base64.b64encode(b"ada:lovelace").decode()


def locked(ui: Ui, challenge: str = 'Basic realm="Registry"') -> list[str]:
    """Have the registry ask for a login; give every login it was sent."""
    logins = []

    def ask(method, path, headers):
        sent = (headers.getRawHeaders("Authorization") or [""])[0]
        logins.append(sent)
        if sent == LOGIN:
            return None
        body = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
        return answer(401, body, WWW_Authenticate=challenge)

    ui.wire.intercept = ask
    return logins
