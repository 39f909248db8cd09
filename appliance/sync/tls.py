"""What went wrong with TLS, in words, with what a person does about it. Pure."""

from __future__ import annotations

import ssl

_CLOCK = "renew it, or set this gateway's clock if the date here is wrong"
_VERIFY = {
    9: ("the broker's certificate is not valid yet", "set this gateway's clock"),
    10: ("the broker's certificate has expired", _CLOCK),
    18: (
        "the broker's certificate is signed by itself",
        "name it, or the authority that should have signed it, in [uplink] ca_file",
    ),
    19: (
        "the broker's authority is not one that we trust",
        "name its certificate in [uplink] ca_file",
    ),
    20: (
        "the broker's authority is not one that we trust",
        "name its certificate in [uplink] ca_file",
    ),
    21: (
        "the broker's certificate cannot be traced to its authority",
        "let the broker send the certificates in between, or add them to ca_file",
    ),
    23: ("the broker's certificate is revoked", "ask who runs the broker"),
}
_NAME_WRONG = {62, 63, 64}
_OURS = "our certificate"
_GIVE = "set [uplink] certificate_file and key_file to ones that the broker knows"
_ALERTS = {
    "CERTIFICATE_REQUIRED": ("the broker asks for our certificate", _GIVE),
    "UNKNOWN_CA": (f"the broker does not know who signed {_OURS}", _GIVE),
    "CERTIFICATE_EXPIRED": (f"{_OURS} has expired", "renew certificate_file"),
    "CERTIFICATE_REVOKED": (f"{_OURS} is revoked", "renew certificate_file"),
    "BAD_CERTIFICATE": (f"the broker rejects {_OURS}", _GIVE),
    "CERTIFICATE_UNKNOWN": (f"the broker rejects {_OURS}", _GIVE),
    "ACCESS_DENIED": (f"the broker rejects {_OURS}", _GIVE),
    "HANDSHAKE_FAILURE": (
        "broker and gateway find no common cipher, or it wants our certificate",
        _GIVE,
    ),
    "WRONG_VERSION_NUMBER": (
        "the other side does not speak TLS",
        "check [uplink] port, or set tls = false for a broker without it",
    ),
    "PROTOCOL_VERSION": (
        "the broker speaks no TLS of today (1.2 or 1.3)",
        "bring the broker up to date",
    ),
    "UNSUPPORTED_PROTOCOL": (
        "the broker speaks no TLS of today (1.2 or 1.3)",
        "bring the broker up to date",
    ),
}


def words_of_tls(error: ssl.SSLError, host: str) -> str:
    """Return what failed, and the remedy."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _NAME_WRONG:
            return (
                f"the broker's certificate is not for {host!r}; set [uplink] host to "
                "a name in it, or let the broker have one for this name"
            )
        words = _VERIFY.get(error.verify_code)
        if words is not None:
            return "; ".join(words)
        return f"the broker's certificate does not hold: {error.verify_message}"
    reason = str(getattr(error, "reason", None) or "")
    for end, found in _ALERTS.items():
        if reason.endswith(end):
            return "; ".join(found)
    return f"TLS failed: {error}"
