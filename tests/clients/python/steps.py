"""What all Python clients share: the environment of the runner and the form of its lines."""
import os
import urllib.error
import urllib.request

ENDPOINT = os.environ["S3_ENDPOINT"]
ACCESS_KEY = os.environ["S3_ACCESS_KEY"]
SECRET_KEY = os.environ["S3_SECRET_KEY"]
REGION = os.environ["S3_REGION"]
BUCKET = os.environ["S3_BUCKET"]
WORK = os.environ["S3_WORK"]
# None where the server has no such thing.
KMS_KEY = os.environ.get("S3_KMS_KEY")
TLS_ENDPOINT = os.environ.get("S3_TLS_ENDPOINT")
TLS_CERTIFICATE = os.environ.get("S3_TLS_CERTIFICATE")
WEBSITE_DOMAIN = os.environ.get("S3_WEBSITE_DOMAIN")


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


def fetch_page(bucket, path):
    """Status and content of a page of a website."""
    host = f"{bucket}.{WEBSITE_DOMAIN}"
    return answer(urllib.request.Request(ENDPOINT + path, headers={"Host": host}))


def post_form(url, fields, content):
    """Status of an upload by a browser's form."""
    line = '--form-boundary\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    parts = [(line.format(name, "") + value + "\r\n").encode() for name, value in fields.items()]
    parts += [line.format("file", '; filename="f"').encode(), content, b"\r\n--form-boundary--\r\n"]
    headers = {"Content-Type": "multipart/form-data; boundary=form-boundary"}
    return answer(urllib.request.Request(url, b"".join(parts), headers))[0]


def answer(request):
    """Status and content, of errors too."""
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def refuses(code, work):
    """Asserts that the work fails with an error of that code."""
    try:
        work()
    except Exception as error:
        about = getattr(error, "response", None)
        found = about["Error"]["Code"] if isinstance(about, dict) else getattr(error, "code", None)
        assert found == code, f"{found} instead of {code}: {error}"
        return
    raise AssertionError(f"no {code}")
