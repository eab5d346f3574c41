# The steps of every client, with the MinIO client.
. "$S3_SCRIPTS/steps.sh"
export MC_HOST_t=http://$S3_ACCESS_KEY:$S3_SECRET_KEY@${S3_ENDPOINT#http://}
mc() { must "$S3_PROGRAM" --config-dir "$S3_WORK/mc" --no-color --quiet "$@"; }
url=t/$S3_BUCKET

make_bucket() {
  mc mb --region "$S3_REGION" "$url"
  contains "$S3_BUCKET" "$(mc ls t)"
}
put_small() { mc cp --attr "color=green" --tags "a=b" small.bin "$url/small"; }
get_small() {
  mc cp "$url/small" got
  same got small.bin
  contains 'x-amz-meta-color *: *green' "$(mc stat "$url/small")"
  contains 'a *: *b' "$(mc tag list "$url/small")"
  mc head --lines 1 "$url/small" >/dev/null
}
put_multipart() { mc put --part-size 5MiB --parallel 2 large.bin "$url/large"; }
get_multipart() {
  mc get "$url/large" got
  same got large.bin
  equal "$(mc stat --json "$url/large" | grep -c '[0-9a-f]\{32\}-3"')" 1
}
list_1000() {
  mc mirror many "$url/many" >/dev/null
  equal "$(mc ls --recursive "$url/many/" | wc -l)" 1005
  equal "$(mc find "$url/many" --name '00*' | wc -l)" 100
}
copy() {
  mc cp "$url/large" "$url/copied ü"
  mc mv "$url/copied ü" "$url/moved"
  mc cp "$url/moved" got
  same got large.bin
}
versions() {
  mc mb "$url-v"
  mc version enable "$url-v"
  mc cp small.bin "$url-v/k"
  mc cp many/0000 "$url-v/k"
  mc rm "$url-v/k"
  equal "$(mc ls --versions "$url-v" | wc -l)" 3
  mc undo --force "$url-v/k"
  mc cp "$url-v/k" got
  same got many/0000
  mc rb --force "$url-v"
}
presigned() {
  local shared
  shared=$(mc share download --json --expire 5m "$url/small" | sed -n 's/.*"share":"\([^"]*\)".*/\1/p' | sed 's/\\u0026/\&/g')
  must curl -fsS -o got "$shared"
  same got small.bin
}
select_rows() {
  printf 'id,name\n1,Ann\n2,Bob\n' >people.csv
  mc cp people.csv "$url/people.csv"
  equal "$(mc sql -e 'select count(*) from s3object' "$url/people.csv")" 2
  equal "$(mc sql -e 'select s.name from s3object s where s.id = 2' "$url/people.csv")" Bob
}
delete() {
  mc rm "$url/small"
  mc rm --recursive --force "$url" >/dev/null
  equal "$(mc ls --recursive "$url" | wc -l)" 0
}
remove_bucket() { mc rb "$url"; }

step make-bucket make_bucket
step put-small put_small
step get-small get_small
step put-multipart put_multipart
step get-multipart get_multipart
step list-1000 list_1000
step copy copy
step versions versions
step presigned presigned
step select select_rows
step delete delete
step remove-bucket remove_bucket
