"""What all Python clients share: the environment of the runner and the form of its lines."""
import os
import urllib.request

ENDPOINT = os.environ["S3_ENDPOINT"]
ACCESS_KEY = os.environ["S3_ACCESS_KEY"]
SECRET_KEY = os.environ["S3_SECRET_KEY"]
REGION = os.environ["S3_REGION"]
BUCKET = os.environ["S3_BUCKET"]
WORK = os.environ["S3_WORK"]


def read(name):
    with open(os.path.join(WORK, name), "rb") as file:
        return file.read()


def step(name, work):
    try:
        work()
        print(f"ok {name}", flush=True)
    except Exception as error:
        message = f"{type(error).__name__} {error}".replace("\n", " ")
        print(f"failed {name}: {message}", flush=True)


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read()
