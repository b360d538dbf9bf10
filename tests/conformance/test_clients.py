"""The AWS CLI as a user runs it (R01)."""

import json
import os
import subprocess
import sys
import uuid


def test_command_line(endpoint):
    cli = os.path.join(os.path.dirname(sys.executable), "aws")
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", "local"),
        "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY", "local"),
        "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1"),
        "AWS_DEFAULT_REGION": os.environ.get("AWS_REGION", "us-east-1"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_PAGER": "",
        "HOME": os.environ.get("HOME", "/"),
    }

    def aws(*arguments):
        done = subprocess.run(
            [cli, "dynamodb", *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    table = f"cli-{uuid.uuid4().hex[:12]}"
    aws(
        "create-table", "--table-name", table,
        "--attribute-definitions", "AttributeName=pk,AttributeType=S",
        "--key-schema", "AttributeName=pk,KeyType=HASH",
        "--billing-mode", "PAY_PER_REQUEST",
    )
    item = {"pk": {"S": "a"}, "n": {"N": "1"}}
    aws("put-item", "--table-name", table, "--item", json.dumps(item))
    assert aws("get-item", "--table-name", table, "--key", '{"pk": {"S": "a"}}', "--consistent-read")["Item"] == item
    assert aws("scan", "--table-name", table)["Count"] == 1
    aws("delete-table", "--table-name", table)
