"""Encrypt values that nobody should be able to read in the database, such as a webhook's secret.

The keys come from ``QUICKSCALE_ENCRYPTION_KEYS``; without it, they are derived from ``SECRET_KEY``
and ``SECRET_KEY_FALLBACKS``. The first key encrypts; every key decrypts.
"""

from __future__ import annotations

import base64

from django.conf import settings

from quickscale.conf import app_settings
from quickscale.errors import MissingExtraError

try:
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as error:
    raise MissingExtraError("quickscale.secrets", "secrets") from error

PREFIX = "f1:"


class DecryptionError(ValueError):
    """The value was not encrypted here, or none of the keys fits; the message says which."""


def encrypt(text: str) -> str:
    """Encrypt a text with the first key. The result differs each time, even for the same text."""
    return PREFIX + _fernet().encrypt(text.encode()).decode()


def decrypt(value: str) -> str:
    """Return the text that was passed to :func:`encrypt`.

    Raises:
        DecryptionError: no key fits, or the value is plain text (see :func:`is_encrypted`).
    """
    token = _token(value)
    try:
        return _fernet().decrypt(token).decode()
    except InvalidToken as error:
        raise _no_key_fits() from error


def rotate(value: str) -> str:
    """Encrypt a value again with the first key, so that it no longer needs the older keys.

    Raises:
        DecryptionError: see :func:`decrypt`.
    """
    token = _token(value)
    try:
        return PREFIX + _fernet().rotate(token).decode()
    except InvalidToken as error:
        raise _no_key_fits() from error


def is_encrypted(value: str) -> bool:
    """Return whether :func:`encrypt` made the value; older texts of an app may not be encrypted."""
    return value.startswith(PREFIX)


def generate_key() -> str:
    """Make a key for ``QUICKSCALE_ENCRYPTION_KEYS``."""
    return Fernet.generate_key().decode()


def derive_key(secret: str | bytes) -> str:
    """Derive a key from a text such as ``SECRET_KEY``; the same text gives the same key."""
    material = secret.encode() if isinstance(secret, str) else secret
    derived = HKDF(SHA256(), length=32, salt=None, info=b"quickscale.secrets").derive(material)
    return base64.urlsafe_b64encode(derived).decode()


def _fernet() -> MultiFernet:
    keys = app_settings.encryption_keys or [
        derive_key(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
    return MultiFernet([Fernet(key) for key in keys])


def _token(value: str) -> bytes:
    if not is_encrypted(value):
        raise DecryptionError("The value is not encrypted.")
    return value.removeprefix(PREFIX).encode()


def _no_key_fits() -> DecryptionError:
    setting = "QUICKSCALE_ENCRYPTION_KEYS"
    if not app_settings.encryption_keys:
        setting = "SECRET_KEY and SECRET_KEY_FALLBACKS"
    return DecryptionError(f"None of the keys in {setting} decrypts the value.")
