from __future__ import annotations

import pytest

from quickscale import secrets
from quickscale.checks import check_encryption_keys
from quickscale.secrets import DecryptionError, decrypt, derive_key, encrypt, generate_key, rotate


@pytest.mark.parametrize("text", ["", "whsec_1", "ключ 🔑", "f1:x", "a" * 10_000])
def test_a_text_can_be_decrypted(text):
    value = encrypt(text)
    assert secrets.is_encrypted(value)
    assert decrypt(value) == text
    assert not text or text not in value


def test_the_same_text_has_another_value_each_time():
    assert encrypt("whsec_1") != encrypt("whsec_1")


def test_a_replaced_secret_key_still_decrypts_while_it_is_a_fallback(settings):
    settings.SECRET_KEY = "old"
    value = encrypt("whsec_1")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert decrypt(value) == "whsec_1"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(DecryptionError, match=r"keys in SECRET_KEY and SECRET_KEY_FALLBACKS dec"):
        decrypt(value)


def test_a_rotated_value_needs_the_new_key_only(settings):
    settings.QUICKSCALE_ENCRYPTION_KEYS = [generate_key()]
    value = encrypt("whsec_1")
    new = generate_key()
    settings.QUICKSCALE_ENCRYPTION_KEYS = [new, *settings.QUICKSCALE_ENCRYPTION_KEYS]
    assert decrypt(value) == "whsec_1"
    rotated = rotate(value)
    settings.QUICKSCALE_ENCRYPTION_KEYS = [new]
    assert decrypt(rotated) == "whsec_1"
    for read in (decrypt, rotate):
        with pytest.raises(DecryptionError, match="keys in QUICKSCALE_ENCRYPTION_KEYS decrypts"):
            read(value)


def test_own_keys_replace_the_derived_ones(settings):
    settings.SECRET_KEY = "site"
    value = encrypt("whsec_1")
    settings.QUICKSCALE_ENCRYPTION_KEYS = [generate_key()]
    with pytest.raises(DecryptionError):
        decrypt(value)
    settings.QUICKSCALE_ENCRYPTION_KEYS += [derive_key("site")]
    assert decrypt(value) == "whsec_1"


def test_a_derived_key_stays_the_same_from_release_to_release():
    assert (
        derive_key("site") == derive_key(b"site") == "Z4RymvZa6_Riq08FDvsDCo43rQPKAZcV9ijkE2l-iyo="
    )


def test_a_changed_value_is_refused():
    value = encrypt("whsec_1")
    middle = len(value) // 2
    other = "A" if value[middle] != "A" else "B"
    with pytest.raises(DecryptionError):
        decrypt(value[:middle] + other + value[middle + 1 :])


@pytest.mark.parametrize("value", ["", "whsec_1", "f2:gAAAAA"])
def test_a_plain_text_is_not_an_encrypted_value(value):
    assert not secrets.is_encrypted(value)
    for read in (decrypt, rotate):
        with pytest.raises(DecryptionError, match="not encrypted"):
            read(value)


@pytest.mark.parametrize("keys", ["x" * 44, ["short"], [None], [b"x" * 44], None, ["é" * 43 + "="]])
def test_what_is_not_a_key_is_reported(settings, keys):
    settings.QUICKSCALE_ENCRYPTION_KEYS = keys
    assert [message.id for message in check_encryption_keys(None)] == ["quickscale.E006"]


@pytest.mark.parametrize("keys", [[], [generate_key()], (derive_key("a"), generate_key())])
def test_keys_are_not_reported(settings, keys):
    settings.QUICKSCALE_ENCRYPTION_KEYS = keys
    assert check_encryption_keys(None) == []
