"""What DuckDB does with S3: Parquet and CSV written and read in place, by ranges and by patterns."""
import pathlib

import duckdb
import duckdb_extension_httpfs
import s3fs

from steps import ACCESS_KEY, BUCKET, ENDPOINT, REGION, SECRET_KEY, step

URL = f"s3://{BUCKET}"
files = s3fs.S3FileSystem(key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=ENDPOINT)
files.mkdir(BUCKET)
database = duckdb.connect()


def query(text):
    return database.execute(text).fetchall()


def connect():
    # From the package: an installation by DuckDB itself would fetch it from elsewhere.
    folder = pathlib.Path(duckdb_extension_httpfs.__file__).parent
    extension = next(folder.rglob("httpfs.duckdb_extension"))
    query(f"LOAD '{extension}'")
    query(f"""CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}', REGION '{REGION}',
        ENDPOINT '{ENDPOINT.removeprefix("http://")}', URL_STYLE 'path', USE_SSL false)""")


def write_parquet():
    # Random digits do not compress, so that the file has several parts.
    query(f"""COPY (SELECT i AS id, i % 7 AS day, md5(i::VARCHAR) AS text FROM range(600000) t(i))
        TO '{URL}/table.parquet' (FORMAT parquet, ROW_GROUP_SIZE 50000)""")
    assert files.info(f"{BUCKET}/table.parquet")["size"] > 12 << 20


def read_parquet():
    found = query(f"SELECT text FROM '{URL}/table.parquet' WHERE id = 456789")
    assert found == query("SELECT md5('456789')"), found
    found = query(f"SELECT count(*), sum(id), min(text) FROM '{URL}/table.parquet'")
    assert found == query(
        "SELECT count(*), sum(i), min(md5(i::VARCHAR)) FROM range(600000) t(i)"), found


def partitions():
    query(f"""COPY (SELECT * FROM '{URL}/table.parquet' WHERE id < 7000)
        TO '{URL}/days' (FORMAT parquet, PARTITION_BY (day))""")
    found = query(f"""SELECT day, count(*) FROM read_parquet('{URL}/days/*/*.parquet',
        hive_partitioning = true) GROUP BY day ORDER BY day""")
    assert found == [(day, 1000) for day in range(7)], found
    assert len(query(f"SELECT * FROM glob('{URL}/days/**')")) == 7


def csv():
    query(f"COPY (SELECT i, 'a,\"b' AS text FROM range(1000) t(i)) TO '{URL}/ü +.csv.gz' (HEADER)")
    assert query(f"SELECT sum(i), min(text) FROM '{URL}/ü +.csv.gz'") == [(499500, 'a,"b')]


def missing():
    try:
        query(f"SELECT * FROM '{URL}/none.parquet'")
    except duckdb.HTTPException as error:
        assert "404" in str(error), error
        return
    raise AssertionError("no error")


for name, work in [
    ("connect", connect), ("write-parquet", write_parquet), ("read-parquet", read_parquet),
    ("partitions", partitions), ("csv", csv), ("missing", missing),
]:
    step(name, work)
