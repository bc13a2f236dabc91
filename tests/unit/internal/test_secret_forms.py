"""Which texts are secrets and which are not; `detect-secrets` is asked about the same made-up ones.

All are made up, and put together when the tests run, so that scanners of repositories do not report this file.
"""

from __future__ import annotations

import base64
import itertools
import marshal
import random
import string
import time

import pytest
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import default_settings
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.secret_forms import FORMS, secret_spans, secrets_in
from lakeflow_job_meta._internal.secret_signs import may_hold_secrets
from lakeflow_job_meta._internal.secrets import (
    MASK,
    is_secret_name,
    masked,
    secrets_of,
    without_line,
    without_secrets,
)
from support.slow import few
from support.strategies import trees

HEX, ALNUM, UPPER = string.hexdigits[:16], string.ascii_letters + string.digits, string.ascii_uppercase + "234567"
WORD = ALNUM + "_-"


def made_up(seed: int = 7) -> dict[str, str]:
    """Returns a secret of each known form."""
    chosen = random.Random(seed)

    def some(alphabet: str, length: int) -> str:
        return "".join(chosen.choices(alphabet, k=length - 1)) + "7"

    def encoded(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    begin, end = (f"-----{word} RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
    return {
        "a Databricks token": "da" + "pi" + some(HEX, 32),
        "an OAuth secret of Databricks": "do" + "se" + some(HEX, 32),
        "an AWS access key": "AK" + "IA" + some(UPPER, 16),
        "a client secret of Azure": some(ALNUM, 3) + "8Q" + "~" + some(ALNUM, 34),
        "an Azure shared access signature": "https://a.blob.core.windows.net/c?sv=2022-11-02&si"
        + "g="
        + some(ALNUM, 43),
        "an Azure key": "AccountName=a;Account" + "Key=" + some(ALNUM, 86) + "==",
        "a Google API key": "AI" + "za" + some(WORD, 35),
        "a Google token": "ya" + "29." + some(WORD, 60),
        "a Google client secret": "GOC" + "SPX-" + some(WORD, 28),
        "a GitHub token": "gh" + "p_" + some(ALNUM, 36),
        "a GitLab token": "gl" + "pat-" + some(ALNUM, 20),
        "a Slack token": "xo" + "xb-" + some(string.digits, 12) + "-" + some(ALNUM, 24),
        "the address of a webhook": "https://hooks.sl"
        + f"ack.com/services/T{some(UPPER, 8)}/B{some(UPPER, 8)}/"
        + some(ALNUM, 24),
        "a Stripe key": "sk" + "_live_" + some(ALNUM, 24),
        "a SendGrid key": "S" + "G." + some(ALNUM, 22) + "." + some(ALNUM, 43),
        "an npm token": "np" + "m_" + some(ALNUM, 36),
        "a PyPI token": "py" + "pi-AgEI" + some(ALNUM, 70),
        "a Hugging Face token": "h" + "f_" + some(ALNUM, 34),
        "a key of an AI service": "sk" + "-proj-" + some(ALNUM, 40),
        "a JSON web token": ".".join(map(encoded, ('{"alg":"HS256"}', '{"sub":"1234567890"}', some(ALNUM, 32)))),
        "a private key": f"{begin}\n{some(ALNUM, 64)}\n{end}",
        "a login": "Authorization: Bea" + "rer " + some(ALNUM, 32),
        "a password in an address": "postgresql://reader:" + some(ALNUM, 12) + "@db.example.com/sales",
    }


NAMED = [
    *({"password": "hunter2"}, {"db_password": "correct horse"}, {"dbPassword": "x9"}, {"pwd": 123456}),
    *(
        {"api_token": "abcd-1234"},
        {"client_secret": "correct-horse"},
        {"spark.hadoop.fs.s3a.secret.key": "Ab1+Cd/2" * 5},
    ),
    *({"fs.azure.account.key.lake.dfs.core.windows.net": "Ab1+Cd/2" * 10 + "=="}, {"accountKey": "Ab1+Cd/2" * 5}),
    *({"credentials": "Xy7-kkq9-20aZ"}, {"API_TOKEN": "q8w7e6r5"}, {"password_value": "hunter2"}, {"PASSWORD": ["a1"]}),
    {"password": {"value": "hunter2"}},
    {"parameters": [{"name": "token", "default": "q8w7e6r5"}]},
    {"parameters": ["--host", "h", "--password", "hunter2"]},
    {"parameters": ["--password=hunter2"]},
    {"inputs": '[{"user": "u", "password": "hunter2"}]'},
    {"inputs": '[{"name": "password", "value": "hunter2"}]'},
    {"url": "jdbc:sqlserver://h:1433;databaseName=d;user=u;password=hunter2;encrypt=true"},
    {"url": "jdbc:postgresql://h/d?user=u&password=hunter2"},
    {"url": "Driver={ODBC Driver 18 for SQL Server};Server=h;UID=u;PWD=hunter2"},
    {"options": "-Djavax.net.ssl.trustStorePassword=hunter2 -Dx=y"},
    {"sql": "CREATE CONNECTION c TYPE postgresql OPTIONS (host 'h', user 'u', password 'hunter2')"},
    {"sql": "CREATE TABLE t USING jdbc OPTIONS ('url' = 'x', 'password' = 'hunter2')"},
    {"sql": "SELECT * FROM read_files('a', password => 'hunter2')"},
]

BY_NAME = [
    template.format(name, "".join(random.Random(number).choices(ALNUM, k=20)))
    for number, name in enumerate(["password", "api_key", "secret", "db_pass" + "word", "private_key", "auth_token"])
    for template in ('{} = "{}"', "{}: '{}'", '"{}": "{}"', "{} => '{}'", "https://x/y?{}={}")
]

NO_SECRETS = [
    *({"password": "{{secrets/etl/db}}"}, {"password": "${var.password}"}, {"token": "Bearer {{secrets/etl/api}}"}),
    *(
        {"password": ""},
        {"password": None},
        {"password": "<your password>"},
        {"password": "***"},
        {"password": "$PASSWORD"},
    ),
    *({"token": "{{job.parameters.token}}"}, {"token": "${resources.jobs.a.id}"}, {"password": ":password"}),
    *({"key_column": "customer_id"}, {"primary_key": "id"}, {"secret_scope": "etl", "secret_key": "db-password"}),
    *({"token_endpoint": "https://login.example.com/token"}, {"token_url": "https://h/t"}, {"password_column": "pw"}),
    *({"secret": "db-password"}, {"secret_name": "db"}, {"secret_path": "etl/db"}, {"scope": "etl", "key": "reader"}),
    *({"token": "/Volumes/main/etl/token.txt"}, {"private_key": "/dbfs/keys/id_rsa"}, {"private_key_file": "id_rsa"}),
    *({"max_tokens": "4096"}, {"max_tokens": 4096}, {"stop_tokens": ["END"]}, {"tokenizer": "gpt2"}, {"tokens": 5}),
    *({"merge_keys": ["customer_id", "day"]}, {"business_key": "order_no"}, {"key": "customer"}, {"sort_key": "a,b"}),
    *({"storage_credential": "etl_cred"}, {"credential": "main-credential"}, {"credentials": "azure_cli"}),
    *({"account_key": "account_id"}, {"access_key_column": "k"}, {"client_key": "client_code"}, {"host_key": "host"}),
    *({"auth": "token"}, {"authentication": "password"}, {"token_type": "bearer"}, {"auth_type": "pat"}),
    *({"task_key": "rotate_tokens"}, {"name": "Rotate the passwords of all tokens"}, {"compass": "north"}),
    *({"secrets": ["db", "api"]}, {"is_secret": "yes"}, {"has_password": "true"}, {"encryption_key_id": "k-12"}),
    *(
        {"kms_key": "arn:aws:kms:eu-west-1:1234:key/1234abcd"},
        {"public_key": "ssh-rsa AAAA"},
        {"id": "0123456789abcdef" * 2},
    ),
    *({"git_commit": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"}, {"warehouse_id": "0123456789abcdef"}),
    *({"spark.databricks.passthrough": "true"}, {"spark.hadoop.fs.s3a.access.key": "{{secrets/a/b}}"}),
    *({"url": "https://github.com/a/b"}, {"url": "abfss://c@a.dfs.core.windows.net/x"}, {"on_failure": ["a@b.com"]}),
    *({"url": "jdbc:postgresql://h:5432/d?user=u&password={{secrets/a/b}}"}, {"url": "https://u:${var.pw}@h/x"}),
    *({"path": "/Workspace/Users/someone@example.com/secrets/rotate_token"}, {"timezone_id": "Asia/Tokyo"}),
    *({"parameters": ["--password", "{{secrets/a/b}}"]}, {"parameters": ["--token-file", "/a/b"]}),
    *({"parameters": [{"name": "token", "default": ""}]}, {"parameters": [{"name": "key_column", "default": "id"}]}),
    {"sql": "MERGE INTO a USING b ON a.token = b.token AND a.password=b.password WHEN MATCHED THEN UPDATE SET *"},
    {"sql": "SELECT token, password AS pw, key FROM t WHERE secret IS NULL AND token = :token AND password <> ''"},
    {"sql": "SELECT secret('etl', 'db') AS password, count(token) AS tokens FROM t -- the token = primary key"},
    {"sql": "SELECT * FROM t WHERE kind IN ('password', 'token') AND k = 'password' OR key = 'customer'"},
    {"sql": "ALTER TABLE t ALTER COLUMN password COMMENT 'hashed, never plain'; SELECT sha2(password, 256)"},
    {"sql": "CREATE TABLE t (token STRING COMMENT 'of the session', password_hash STRING, api_key STRING)"},
    {"sql": "CREATE CONNECTION c OPTIONS (host 'h', user secret('a','b'), password secret('a','c'))"},
    {"init": 'pip install --token-cache x && export TOKEN=$TOKEN && curl -H "Authorization: Bearer $TOKEN" https://h'},
    {"description": "Reads the token from the secret scope; the password: see the wiki. Key: customer."},
]


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("seed", range(5))
def test_a_secret_of_a_known_form_is_found_in_any_text_and_masked(kind, seed):
    secret = made_up(seed)[kind]
    value = {"x": [f"before {secret} after"]}

    (found, *_) = secrets_in(value)

    assert may_hold_secrets(marshal.dumps(value, 2))
    assert found.kind == kind
    assert found.path == ("x", 0)
    assert found.secret in secret
    assert found.secret not in str(masked(value))
    assert found.secret not in without_secrets(f"failed: {secret}")


@pytest.mark.parametrize("value", NAMED, ids=str)
def test_text_behind_the_name_of_a_secret_is_found_and_masked(value):
    found = list(secrets_in(value))

    assert may_hold_secrets(marshal.dumps(value, 2))
    assert len(found) == 1
    assert found[0].kind.startswith("the value of")
    assert found[0].secret not in str(masked(value))


@pytest.mark.parametrize("value", NO_SECRETS, ids=str)
def test_references_names_and_places_are_no_secrets(value):
    assert list(secrets_in(value)) == []


@given(trees())
def test_what_is_found_is_masked_and_a_glance_never_misses_it(value):
    found = list(secrets_in(value))

    assert may_hold_secrets(marshal.dumps(value, 2)) or not found
    assert list(secrets_in(masked(value))) == []


@given(st.text())
def test_spans_do_not_overlap_and_nothing_is_found_in_what_was_masked(text):
    spans = secret_spans(text)

    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    assert secret_spans(without_secrets(text)) == []


@pytest.mark.parametrize("name", ["password", "apiToken", "client.secret", "authorization", "storage_key"])
def test_what_names_a_secret_is_masked_wherever_it_stands(name):
    assert is_secret_name(name)
    assert masked({name: "hunter2"}) == {name: MASK}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  password: hunter2", "  password: *******"),
        ("  password: my dog barks  # why", "  password: ************  # why"),
        ('{"password": "hunter2", "x": 1}', '{"password": *********, "x": 1}'),
        ("{user: u, password: hunter2, x: y}", "{user: u, password: *******, x: y}"),
        ("password: ${var.pw}", "password: ${var.pw}"),
        ("task_key: a", "task_key: a"),
        ("password: |", "password: |"),
        ("url: https://u:hunter2@h/x", "url: https://u:*******@h/x"),
    ],
)
def test_a_line_keeps_its_length_and_loses_its_secrets(line, shown):
    assert without_line(line) == shown
    assert len(without_line(line)) == len(line)


@pytest.mark.parametrize(
    "text",
    few(
        ["a-" * 20_000, "{" * 20_000 + "token", "key" + "_key" * 20_000 + "!", "://a" * 20_000, "Basic " * 20_000],
        ["eyJ-" * 20_000, "token" * 20_000, "password = '" * 10_000, "-----BEGIN " * 20_000],
    ),
)
def test_no_text_makes_the_search_slow(text):
    start = time.process_time()

    list(secrets_in({"password": text, "x": text}))

    assert time.process_time() - start < 10


class TestOracle:
    """`detect-secrets` looks through the same texts; it has no form for some of the services."""

    UNKNOWN_TO_IT = frozenset(
        {"a Databricks token", "an OAuth secret of Databricks", "a Google API key", "a Google token", "an npm token"}
        | {"a client secret of Azure", "an Azure shared access signature", "a Google client secret", "a PyPI token"}
        | {"a Hugging Face token", "a key of an AI service", "a login"}
    )

    @staticmethod
    def detected(text: str) -> set[str]:
        with default_settings() as used:
            # These go by how random a text looks, and so take digests and ids for secrets.
            used.disable_plugins(
                "HexHighEntropyString", "Base64HighEntropyString", "IPPublicDetector", "KeywordDetector"
            )
            return {found.type for line in text.split("\n") for found in scan_line(line)}

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("kind", sorted(FORMS))
    def test_it_finds_the_forms_that_it_knows_and_none_that_are_not_found_here(self, kind, seed):
        text = made_up(seed)[kind]

        assert bool(self.detected(text)) == (kind not in self.UNKNOWN_TO_IT)
        assert secret_spans(text)

    def test_it_finds_nothing_either_where_nothing_is(self):
        assert [value for value in NO_SECRETS if self.detected(str(value))] == []

    def test_what_it_finds_by_the_names_of_settings_is_found_here(self):
        with default_settings() as used:
            used.disable_plugins(*(name for name in list(used.plugins) if name != "KeywordDetector"))
            known = [text for text in BY_NAME if any(scan_line(text))]

        assert len(known) > len(BY_NAME) / 2
        assert [text for text in known if not secret_spans(text)] == []


@given(st.lists(trees() | st.dictionaries(st.sampled_from(["password", "task_key", "key", "note"]), trees())))
def test_many_values_together_hold_the_secrets_that_each_of_them_holds(values):
    assert secrets_of(*values) == set().union(*map(secrets_of, values))
