"""What a person typed, pasted or wrote as exchange keys, made into keys or told why it cannot be.

A problem never quotes a value nor tells its length. Problems are returned, not raised: nothing in this file
raises while a value is at hand, so that no traceback can show one.
"""

from dataclasses import dataclass

from engine.model.secret import ExchangeKeys, Secret

LENGTH_MIN = 8
"""Of an API key and of a secret; real ones have 16 and more."""
LENGTH_MAX = 16 * 1024
"""An RSA key of 16,384 bits has 12.6 kB as PEM."""
PEM_BEGIN = "-----BEGIN "
PEM_END = "-----END "
_PLACEHOLDERS = frozenset(("apikey", "apisecret", "changeme", "password", "placeholder", "replaceme", "secretkey"))


@dataclass(frozen=True, slots=True)
class KeysProblem:
    """Why texts are no keys: which one, what was expected and what was found."""

    text: str


def keys_from_texts(*, api_key: str, secret: str, password: str) -> ExchangeKeys | KeysProblem:
    """The keys; blanks around each are ignored, an empty ``password`` is none.

    A private key may have its line breaks written as backslash n, as the files of some exchanges have it.
    """
    key, signer, phrase = api_key.strip(), _unfolded(secret.strip()), password.strip()
    problem = _problem("api_key", key) or _problem("secret", signer) or _text_problem("password", phrase)
    if problem is None and not phrase:
        return ExchangeKeys(api_key=Secret(key), secret=Secret(signer))
    if problem is None:
        return ExchangeKeys(api_key=Secret(key), secret=Secret(signer), password=Secret(phrase))
    return KeysProblem(problem)


def is_unfinished_pem(text: str) -> bool:
    """Whether a private key has begun and its last line is still to come."""
    return text.startswith(PEM_BEGIN) and PEM_END not in text


def _unfolded(secret: str) -> str:
    if not secret.startswith(PEM_BEGIN):
        return secret
    lines = secret.replace("\\n", "\n").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip()) + "\n"


def _problem(name: str, value: str) -> str | None:
    if not value:
        return f"{name}: expected a value, found nothing"
    if _is_placeholder(value):
        return f"{name}: expected the one that the exchange gave you, found a placeholder"
    if len(value) < LENGTH_MIN:
        return f"{name}: expected at least {LENGTH_MIN} characters, found fewer"
    if name == "secret" and value.startswith(PEM_BEGIN):
        return _pem_problem(value)
    # A line break in what becomes a header would be an error that quotes the header.
    if not (value.isascii() and value.isprintable()) or " " in value:
        return f"{name}: expected printable ASCII without spaces, found something else"
    return _text_problem(name, value)


def _pem_problem(value: str) -> str | None:
    if is_unfinished_pem(value):
        return "secret: expected a private key up to its END line, found only its beginning"
    if not (value.isascii() and value.replace("\n", "").isprintable()):
        return "secret: expected a private key in PEM form, found other characters in it"
    return "secret: expected a private key, found a far longer text" if len(value) > LENGTH_MAX else None


def _text_problem(name: str, value: str) -> str | None:
    if not value.isprintable():
        return f"{name}: expected printable characters, found others"
    if len(value) > LENGTH_MAX:
        return f"{name}: expected at most {LENGTH_MAX} characters, found more"
    return None


def _is_placeholder(value: str) -> bool:
    letters = "".join(letter for letter in value.lower() if letter.isalnum())
    return (
        letters in _PLACEHOLDERS
        or letters.startswith("your")
        or len(set(letters)) <= 1
        or (value[0], value[-1]) in {("<", ">"), ("$", "}"), ("{", "}")}
    )
