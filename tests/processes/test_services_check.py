"""`make test-services` starts nothing and says what is missing."""

from config.supervisor.ports import free_port
from tests.services import main


def test_each_missing_server_is_named(capsys):
    database = f"mysql://root@127.0.0.1:{free_port()}/tandem"
    cache = f"redis://127.0.0.1:{free_port()}/9"
    assert main(database, cache) == 2
    said = capsys.readouterr().err
    assert "TEST_DATABASE_URL" in said
    assert "TEST_REDIS_URL" in said
    assert "Nothing was started" in said


def test_a_url_of_the_wrong_kind_is_explained(capsys):
    assert main("sqlite:///x", "redis://127.0.0.1:1/9") == 2
    assert "mysql://user:password@host:port/name" in capsys.readouterr().err
