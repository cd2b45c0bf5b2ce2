"""What stands under a name that tells of a secret is masked, whatever the language; an error's words stay."""

import json

import orjson
import pytest

from runbook_lib.core.redact import Redactor

SECRET = "zX9Kq7mW4rQ8"
# HERE stands for the secret: in assignments, JSON, headers, URLs, logfmt, YAML, shells, Dockerfiles, SQL, tags, literals
WRITTEN = [
    "password=HERE",
    '"password": "HERE"',
    '{"password":"HERE","x":1}',
    '{"db":{"password":"HERE"}}',
    "{'password': 'HERE', 'a': 1}",
    "password='HERE'",
    "passwd: HERE",
    "PGPASSWORD=HERE psql",
    "export API_KEY=HERE",
    'export DB_PASSWORD="HERE"',
    'api_key: "HERE"',
    'apiKey: "HERE",',
    "const apiKey = `HERE`;",
    "const secret = 'HERE'",
    "--password HERE",
    "--password=HERE --x",
    '--token "HERE"',
    '["--password","HERE"]',
    "['--api-key', 'HERE']",
    "Authorization: Bearer HERE",
    "authorization: Basic HERE",
    "Authorization: HERE",
    'curl -H "Authorization: Bearer HERE" https://x',
    "curl -H 'X-Api-Key: HERE' https://x",
    "Cookie: sid=HERE; theme=dark",
    "Set-Cookie: session=HERE; Path=/; HttpOnly",
    "set-cookie: a=1; b=HERE",
    "x-foo-key: HERE",
    "X-Vercel-Protection-Bypass: HERE",
    "GET /x?x-vercel-protection-bypass=HERE&y=1",
    "https://a.b/c?sig=HERE&se=2",
    "https://a.b/c?signature=HERE",
    "https://a.b/c?api_key=HERE#x",
    "https://user:HERE@host/db",
    "postgres://u:HERE@h:5432/d",
    "https://a.b/#access_token=HERE&t=1",
    'level=info token=HERE msg="x"',
    'level=info password="HERE with space"',
    "client_secret=HERE",
    "client-secret: HERE",
    "ALTER ROLE app PASSWORD 'HERE';",
    "CREATE USER x WITH ENCRYPTED PASSWORD 'HERE'",
    "CREATE USER x IDENTIFIED BY 'HERE'",
    "SET app.jwt_secret = 'HERE'",
    "select set_config('app.jwt_secret', 'HERE', true)",
    "Key (token)=(HERE) already exists",
    "update users set password = 'HERE' where id=1",
    "insert into users (email, password) values ('a', 'HERE')",
    "<password>HERE</password>",
    '<input name="password" value="HERE">',
    '{"key":"http.request.header.authorization","value":{"stringValue":"HERE"}}',
    '{"key":"password","type":"string","value":"HERE"}',
    '{"name":"Cookie","value":"HERE"}',
    '{"value":"HERE","name":"api_key"}',
    "(b'authorization', b'HERE')",
    '["authorization","HERE"]',
    '["x-api-key","HERE"]',
    "- name: DB_PASSWORD\n  value: HERE",
    "password: |\n  HERE\nnext: 1",
    "db:\n  password: HERE\n  host: x",
    "ENV SECRET_KEY HERE",
    "ARG TOKEN=HERE",
    "set -x API_TOKEN HERE",
    "machine h login u password HERE",
    "redis-cli -a HERE ping",
    "mysql -u root -pHERE db",
    "curl -u admin:HERE https://x",
    "sshpass -p HERE ssh h",
    'os.environ["API_KEY"] = "HERE"',
    'process.env.API_KEY = "HERE"',
    'password: str = "HERE"',
    'password := "HERE"',
    ':password => "HERE"',
    '"password" => "HERE"',
    "Config(password='HERE', host='x')",
    'api_key=SecretStr("HERE")',
    'localStorage.setItem("token","HERE")',
    'headers.set("Authorization", "HERE")',
    "secret_key_base: HERE",
    "AWS_SECRET_ACCESS_KEY=HERE",
    "aws_secret_access_key = HERE",
    "AccountKey=HERE;EndpointSuffix=x",
    "Server=x;Password=HERE;User=y",
    "SharedAccessSignature sig=HERE&x",
    "password%3DHERE%26x",
    '{\\"password\\":\\"HERE\\"}',
    '{\\\\\\"password\\\\\\":\\\\\\"HERE\\\\\\"}',
    "the password is HERE",
    "login failed with password HERE",
    "token: HERE",
    ' "session_id": "HERE"',
    "stripe-signature: t=1,v1=HERE",
    "Stripe-Signature=t=1,v1=HERE",
    "webhook_secret=HERE",
    '"refreshToken":"HERE"',
    "jwt=HERE",
    "JWT_SECRET: HERE",
    "- SECRET=HERE",
    '{"cookies":{"sid":"HERE"}}',
    '{"authorization":["Bearer HERE"]}',
    '{"passwords":["HERE"]}',
    "Traceback\n  password = 'HERE'\nX",
    "    api_key = 'HERE'",
    "_auth=HERE",
    "//registry/:_authToken=HERE",
    '"auth": "HERE"',
    "pin_code=HERE",
    "otp=HERE",
    "x-amz-security-token: HERE",
    "X-Amz-Signature=HERE",
    "proxy-authorization: Basic HERE",
    "private_key_id=HERE",
    '"private_key": "HERE"',
    "dsn=https://HERE@o1.ingest.sentry.io/1",
    "proxy_set_header X-Api-Key HERE;",
    "requirepass HERE",
    '"DB_PASSWORD":"HERE"',
    '{"env":{"SECRET":"HERE"}}',
    'credentials="HERE"',
    "passphrase: HERE",
]
HARMLESS = [
    "auth: invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired",
    "invalid signature: no signatures found matching the expected signature for the payload",
    "invalid_api_key: Incorrect API key provided",
    'COPY failed for table "api_keys": ERROR: relation "organizations" does not exist',
    "GET /v1/apps/gateway/secrets: HTTP 403: not authorized",
    "max_tokens=4096 total_token: 512 tokens=120 time_to_first_token=0.31",
    "password=<redacted>, token=${TOKEN}, secret: env:NAME, api_key=$API_KEY, apiKey: process.env.API_KEY",
    "SUPABASE_SERVICE_ROLE_KEY: missing",
    "token: expired",
    "password: str | None = None",
    'api_key = os.environ["OPENAI_API_KEY"]',
    "next_token=abc123def456",
    "STRIPE_WEBHOOK_SECRET is not set on api",
    "Set STRIPE_WEBHOOK_SECRET on the service api, then redeploy",
    "select token from sessions where secret = any(keys)",
    "the session was closed",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_what_stands_under_a_telling_name_is_masked(text: str) -> None:
    written = text.replace("HERE", SECRET)
    redactor = Redactor()
    clean = redactor.text(written)
    assert SECRET not in clean
    assert "<redacted>" in clean
    assert redactor.text(clean) == clean


@pytest.mark.parametrize("text", WRITTEN)
def test_in_json_it_is_masked_at_any_depth_and_its_neighbours_stay(text: str) -> None:
    line = text.replace("HERE", SECRET)
    for depth in range(3):
        said = {"before": [1, "a"], "line": line, "after": {"message": "stays", "n": None}}
        left = orjson.loads(Redactor().data(orjson.dumps(said)))
        assert SECRET not in left["line"], depth
        assert left["before"] == said["before"]
        assert left["after"] == said["after"]
        line = json.dumps({"m": line})


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("before", ["POST /v1/chat\n", "Invalid API key\r\n", "at\tSome.module\t"])
def test_a_line_before_it_hides_nothing(before: str, text: str) -> None:
    """In JSON the escape of a line break ends in a letter, which is no part of the next line's first word."""
    written = {"line": before + text.replace("HERE", SECRET)}
    left = orjson.loads(Redactor().data(orjson.dumps(written)))
    assert SECRET not in left["line"]
    assert left["line"].startswith(before)


@pytest.mark.parametrize("text", HARMLESS)
def test_words_names_and_placeholders_stay(text: str) -> None:
    assert Redactor().text(text) == text
    assert orjson.loads(Redactor().data(orjson.dumps([text]))) == [text]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"password": 12345678}, {"password": "<redacted>"}),
        ({"token": 512}, {"token": 512}),
        ({"password": None, "secret": True, "token": ""}, {"password": None, "secret": True, "token": ""}),
        ({"cookies": {"sid": "q7w8e9", "theme": "dark-2"}}, {"cookies": {"sid": "<redacted>", "theme": "<redacted>"}}),
        ({"passwords": ["q7w8e9r0"], "n": 1}, {"passwords": ["<redacted>"], "n": 1}),
        ({"secret": {"state": "set", "since": "today"}}, {"secret": {"state": "set", "since": "today"}}),
        ({"columns": ["id", "api_key", "org_id"]}, {"columns": ["id", "api_key", "org_id"]}),
        ({"authorization": "Bearer q7w8e9r0"}, {"authorization": "Bearer <redacted>"}),
        ({"password": 'a"b\\', "x": 1}, {"password": "<redacted>", "x": 1}),
        ({"password": "é😀\n", "x": 1}, {"password": "<redacted>", "x": 1}),
        ({"k": {"password": "q7w8e9r0"}}, {"k": {"password": "<redacted>"}}),
    ],
)
def test_the_structure_of_json_stays(said: dict[str, object], left: dict[str, object]) -> None:
    assert orjson.loads(Redactor().data(orjson.dumps(said))) == left


def test_what_is_no_json_is_masked_as_text_and_breaks_nothing() -> None:
    assert b"zX9Kq7mW4rQ8" not in Redactor().data(b'{"password": "zX9Kq7mW4rQ8')
    assert "zX9Kq7mW4rQ8" not in Redactor().text("\udcffpassword=zX9Kq7mW4rQ8\udcff")
