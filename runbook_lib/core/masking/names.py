"""Which names tell of a secret, and what is written as a value without being one: the words that masking by name rests on."""

import re

# Where a word begins: in JSON, an escaped line break ends in a letter, behind which `\b` sees no word's beginning.
WORD_BEGINS = rb"(?:\b|\\[nrt])"

# A name tells of a secret by its last word (`db_password`, `apiKey`, `x-hub-signature-256`), whatever joins its words.
WORDS = rb"""
pass(?:word|wd|phrase|code)s? | requirepass | identified[-_.\x20]by | pwd | BEGINpgpass
| secret(?:[-_]?key[-_]?base|s)? | bypass[-_]secret | protection[-_]bypass
| token | BEGINjwt | credentials? | authorization | (?:BEGIN|_)auth | cookies? | signature | BEGINsig
| BEGINotp | BEGINtotp | BEGINpin[-_.]?code | BEGINcv[cv]2? | BEGINsid | BEGINdsn
| session(?:[-_.]?(?:id|key))? | connection[-_.\x20]?string
| x-[a-z0-9-]{1,40}-key
| (?:access|account|admin|aes|anon|api|app|auth|client|cookie|decryption|deploy|encryption|function|gpg|hmac|host|ingest|jwt|license
    |master|private|read|role|routing|rsa|secret|security|service|session|shared|signature|signing|ssh|storage|subscription|token
    |webhook|write)[-_.\x20]?keys?(?:[-_.]?id)?
""".replace(b"BEGIN", WORD_BEGINS)
# what may follow the word and leaves it a secret's name
ENDINGS = (
    rb"(?:[-_.]?(?:hash|digest|value|plain|plaintext|raw|b64|base64|hex|encoded|old|new|current|previous"
    rb"|confirm|confirmation|[0-9]{1,4}))?"
)

# Names that end in such a word and name something else: a model's vocabulary and speed, the next page, what is said of a request.
_HARMLESS_NAMES = re.compile(
    rb"""(?ix) (?: (?:max|min|total|first|per|last|eos|bos|pad|stop|unk|sep|cls|mask|next|page|continuation|sync|cancel
        |cancellation|start|end|prompt|completion|input|output|cached|reasoning|special|to|by)[-_.]?token
    | (?:method|function|call|type|file|delta)[-_.]?signature | idempotency[-_.]?key | (?:trace|span|correlation)[-_.]?session )$"""
)
# Said in a value's place, and no value: that there is none, what type it has, whose it is, how a check of it ended.
_HARMLESS_VALUES = frozenset(
    b"""none null nil undefined true false yes no on off set unset unknown missing present absent empty blank invalid valid
    expired required optional revoked disabled enabled same different differs equal changed unchanged ok error failed denied
    rejected accepted string str bytes text number int integer object array list bool boolean any uuid varchar char
    secretstr bearer basic digest jwt redacted masked hidden removed omitted filtered opaque plain encrypted hashed not is
    was are has the a an and or in of for to from with must should cannot could mismatch malformed unauthorized forbidden
    default provided configured mixed cli live test service_role authenticated anon supabase_admin hs256 rs256 es256 sha256
    hmac""".split()
)
_PLACEHOLDER = re.compile(
    rb"""(?x)
    <[^<>]{0,80}> | \[[A-Za-z ]{3,20}\] | [*\xe2\x80\xa2.xX_-]+ | \$\{.{0,120} | \$\(.{0,120} | \$[A-Z_]{2,60} | \{\{.{0,120}
    | %[A-Z_]+% | (?:env|file):[A-Za-z_./~-][^\s"']{0,200}
    | (?:process\.env|os\.environ|import\.meta\.env|Deno\.env|secrets|settings|config|self|this|current_setting|auth)[.\[(]
      [^\s"']{0,120}
    | (?:[A-Z0-9]+_)+(?:API)?(?:KEY|SECRET|TOKEN|PASSWORD|PASS|PWD|URL|DSN|JWT|AUTH|COOKIE|CREDENTIALS)(?:_[A-Z0-9]+)*
    | [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(?:Z|[+-][0-9:]{5})"""
)
LONGEST_HARMLESS = 256  # bytes: a longer value is a secret without being looked at, which keeps the time linear

_WORD = re.compile(rb"[(\"'\\]{0,4}[A-Za-z][A-Za-z'_-]{0,19}[)\"'\\.,;:!?]{0,4}")
_KIND = re.compile(rb"[a-z]{1,16}(?:_[a-z]{1,16}){0,3}")
_STATE = re.compile(rb"[a-z]{2,16}(?:_[a-z]{2,16}){1,3}")
_PASSWORDS = re.compile(rb"(?i)pass|pwd|otp|pin|identified")
_STRICT = re.compile(rb"(?i)pass|pwd|otp|pin|identified|secret")


def is_harmless_name(name: bytes) -> bool:
    """Whether a name that ends in a secret's word is known to name something else."""
    return _HARMLESS_NAMES.search(name) is not None


def is_strict_name(name: bytes) -> bool:
    """Whether nothing but a secret stands under a name, not even an error's words (a password's, unlike a token's)."""
    return _STRICT.search(name) is not None


def is_harmless(value: bytes, name: bytes) -> bool:
    """Whether a value tells nothing: nothing there, a placeholder, the name of a variable, words on how a check ended.

    What counts as words depends on the name: of a password, nothing does; of a secret, a state (`not_checked`); of a token, a
    signature, a session and the like, a kind (`project`) and a sentence too.
    """
    if len(value) > LONGEST_HARMLESS:
        return False
    bare = value.strip(b" \t.,;:!?")
    if not bare or bare.lower() in _HARMLESS_VALUES or _PLACEHOLDER.fullmatch(bare):
        return True
    if _PASSWORDS.search(name):
        return False
    if is_strict_name(name):
        return _STATE.fullmatch(bare) is not None
    return _KIND.fullmatch(bare) is not None or _is_sentence(value)


def _is_sentence(value: bytes) -> bool:
    """Whether a value begins with words: an error's, and not a credential's. A credential has a digit or no white space in it."""
    words = value.split(maxsplit=3)
    return len(words) > 1 and all(_WORD.fullmatch(word) for word in words[:3])
