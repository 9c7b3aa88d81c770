"""`check --deploy` with the production settings and throw-away values: any warning fails."""

import os
import secrets
import subprocess
import sys
import tempfile

from cryptography.fernet import Fernet


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "VAR_DIR": directory,
            "SECRET_KEY": secrets.token_urlsafe(64),
            "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "ALLOWED_HOSTS": "tandem.example",
            "DATABASE_URL": f"sqlite:///{directory}/unused.sqlite3",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
        command = ["check", "--deploy", "--fail-level", "WARNING"]
        return subprocess.run([sys.executable, "manage.py", *command], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
