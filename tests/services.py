"""Whether the servers that `make test-services` needs are there: says what is missing, starts none.

Run as `python -m tests.services DATABASE_URL REDIS_URL`.
"""

import sys
from urllib.parse import unquote, urlsplit

import redis

DEFAULT_MYSQL_PORT = 3306


def database_problem(url: str) -> str | None:
    """What keeps the tests from the database server, or None. They make `test_<name>` there."""
    parts = urlsplit(url)
    if parts.scheme != "mysql" or not parts.path.strip("/"):
        return f"TEST_DATABASE_URL must look like mysql://user:password@host:port/name, not {url}"
    try:
        import MySQLdb
    except ImportError as error:
        return f"mysqlclient is not installed ({error}); `make test-services` installs it"
    try:
        connection = MySQLdb.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or DEFAULT_MYSQL_PORT,
            user=unquote(parts.username or "root"),
            password=unquote(parts.password or ""),
            connect_timeout=5,
        )
    except MySQLdb.Error as error:
        return f"no MariaDB or MySQL for TEST_DATABASE_URL: {error}"
    name = f"test_{parts.path.strip('/')}"
    try:
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")
    except MySQLdb.Error as error:
        return f"the database user may not create {name}: {error}"
    finally:
        connection.close()
    return None


def redis_problem(url: str) -> str | None:
    """What keeps the tests from Redis, or None.

    They empty the numbered database in the URL and, one for each further process of a run, those
    after it.
    """
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=5)
        client.ping()
    except (redis.RedisError, ValueError) as error:
        return f"no Redis for TEST_REDIS_URL ({url}): {error}"
    return None


def main(database_url: str, redis_url: str) -> int:
    problems = [p for p in (database_problem(database_url), redis_problem(redis_url)) if p]
    for problem in problems:
        print(f"missing: {problem}", file=sys.stderr)
    if problems:
        print("Nothing was started. Start the servers, or give other URLs.", file=sys.stderr)
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
