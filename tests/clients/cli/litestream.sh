# A SQLite database replicated as it is written, restored as it is and as it was.
. "$S3_SCRIPTS/steps.sh"
# Its client of S3 refuses to start with this variable of the AWS SDKs.
unset AWS_CA_BUNDLE
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
cat >litestream.yml <<YAML
dbs:
  - path: $S3_WORK/data.db
    monitor-interval: 100ms
    replica:
      type: s3
      bucket: $S3_BUCKET
      path: copies/data
      region: $S3_REGION
      endpoint: $S3_ENDPOINT
      force-path-style: true
      sync-interval: 200ms
YAML
litestream() { must "$S3_PROGRAM" "$1" -config litestream.yml "${@:2}"; }
aws() { must "$S3_AWS" --endpoint-url "$S3_ENDPOINT" "$@"; }
python() { must python3 -c "import os, sqlite3, sys
data = sqlite3.connect(sys.argv[1])
$1" "${@:2}"; }
# Rows of random bytes, one transaction each: ROWS SIZE.
write() {
  python "data.execute('PRAGMA journal_mode = WAL')
data.execute('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, content BLOB)')
for _ in range(int(sys.argv[2])):
    data.execute('INSERT INTO t (content) VALUES (?)', [os.urandom(int(sys.argv[3]))])
    data.commit()" data.db "$@"
}
rows() { python "print(data.execute('SELECT count(*) FROM t').fetchone()[0])" "$1"; }
content() { python "for row in data.execute('SELECT id, hex(content) FROM t ORDER BY id'): print(row)" "$1"; }
restored() {
  rm -f copy.db*
  litestream restore -o copy.db -integrity-check full "$@" data.db
}
restored_as_is() {
  restored
  must cmp <(content data.db) <(content copy.db)
}

first() {
  aws s3api create-bucket --bucket "$S3_BUCKET"
  write 50 1000
  litestream replicate -once
  restored_as_is
  # S3 tells times in whole seconds.
  sleep 1
  date -u +%FT%TZ >then
  sleep 1
}
follow() {
  "$S3_PROGRAM" replicate -config litestream.yml >replicate.log 2>&1 &
  local program=$! tries=0
  write 100 1000
  write 1 12000000
  write 20 1000
  # Until the copy has caught up: by itself, not because the program ends.
  until restored >/dev/null 2>&1 && [ "$(rows copy.db)" = 171 ]; do
    tries=$((tries + 1))
    [ $tries -lt 40 ] || { kill $program; tail -n 20 replicate.log; exit 1; }
    sleep 0.2
  done
  kill $program
  wait $program
  must cmp <(content data.db) <(content copy.db)
}
go_on() {
  write 5 10
  litestream replicate -once -force-snapshot -enforce-retention
  restored_as_is
  equal "$(rows copy.db)" 176
}
go_back() {
  restored -timestamp "$(cat then)"
  equal "$(rows copy.db)" 50
}
reset() {
  aws s3 rm --recursive --quiet "s3://$S3_BUCKET/copies"
  must rm -rf .data.db-litestream
  litestream replicate -once
  restored_as_is
}

step replicate first
step follow follow
step go-on go_on
step go-back go_back
step start-again reset
