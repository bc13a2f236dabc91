"""The names that the databricks CLI derives of whoever deploys."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.deployment.jobs_api.login import Login

UUID = "9f0621ee-b52b-11ea-b3de-0242ac130004"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("someone@example.com", "someone"),
        ("Some.One+x@example.com", "some_one_x"),
        ("_a__b-c@example.com", "a_b_c"),
        ("Élodie@x.y", "élodie"),
        ("王小明@x.y", "王小明"),
        ("İΣ@x.y", "iσ"),
        ("no-mail", "no_mail"),
    ],
)
def test_a_short_name_has_letters_and_digits_alone(name, short):
    assert Login(name, "Somebody Else").short_name == short


@pytest.mark.parametrize("name", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"])
def test_a_service_principal_is_named_by_its_display_name(name):
    assert Login(name).is_service_principal
    assert Login(name, "ETL Prod@2").short_name == "etl_prod"
    assert Login(UUID).short_name == UUID.replace("-", "_")


@pytest.mark.parametrize("name", [f"{UUID}@x.y", UUID[:-1], "someone@example.com"])
def test_another_name_is_no_service_principal(name):
    assert not Login(name, "x").is_service_principal


@pytest.mark.parametrize(
    ("name", "aws", "azure", "gcp"),
    [
        ("someone", "someone", "someone", "someone"),
        ("é1", "e1", "é1", "e1"),
        ("ß_a", "ß_a", "ß_a", "a"),
        ("a王b", "a_b", "a_b", "a_b"),
    ],
)
def test_the_tag_of_a_developer_is_what_the_cloud_takes(name, aws, azure, gcp):
    assert [Login(name, cloud=cloud).tag for cloud in ("aws", "azure", "gcp")] == [aws, azure, gcp]


def test_a_domain_friendly_name_has_neither_marks_nor_underscores():
    assert Login("É.ß@x.y").domain_friendly_name == "e--"
