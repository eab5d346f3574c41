# The steps of every client, with s5cmd.
. "$S3_SCRIPTS/steps.sh"
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_REGION=$S3_REGION
export S3_ENDPOINT_URL=$S3_ENDPOINT
s5cmd() { must "$S3_PROGRAM" --retry-count 0 "$@"; }
url=s3://$S3_BUCKET

make_bucket() {
  s5cmd mb "$url"
  contains "$url" "$(s5cmd ls)"
}
put_small() { s5cmd cp --content-type text/plain --metadata color=green small.bin "$url/small"; }
get_small() {
  s5cmd cp "$url/small" got
  same got small.bin
  contains '"color":"green"' "$(s5cmd head "$url/small")"
}
put_multipart() { s5cmd cp --part-size 5 --concurrency 2 large.bin "$url/large"; }
get_multipart() {
  s5cmd cp --part-size 5 "$url/large" got
  same got large.bin
}
list_1000() {
  s5cmd --numworkers 8 cp many/ "$url/many/" >/dev/null
  equal "$(s5cmd ls "$url/many/*" | wc -l)" 1005
}
# s5cmd sends copy sources unescaped, so this key is plain.
copy() {
  s5cmd cp "$url/large" "$url/copied"
  s5cmd mv "$url/copied" "$url/moved"
  s5cmd cp "$url/moved" got
  same got large.bin
}
versions() {
  s5cmd mb "$url-v"
  s5cmd bucket-version --set Enabled "$url-v"
  s5cmd cp small.bin "$url-v/k"
  s5cmd cp many/0000 "$url-v/k"
  s5cmd rm "$url-v/k"
  equal "$(s5cmd ls --all-versions "$url-v/k" | wc -l)" 3
  s5cmd rm --all-versions "$url-v/*"
  s5cmd rb "$url-v"
}
presigned() {
  must curl -fsS -o got "$(s5cmd presign --expire 5m "$url/small")"
  same got small.bin
}
delete() {
  s5cmd rm "$url/small"
  s5cmd rm "$url/*" >/dev/null
  equal "$("$S3_PROGRAM" ls "$url" | wc -l)" 0
}
remove_bucket() { s5cmd rb "$url"; }

step make-bucket make_bucket
step put-small put_small
step get-small get_small
step put-multipart put_multipart
step get-multipart get_multipart
step list-1000 list_1000
step copy copy
step versions versions
step presigned presigned
step delete delete
step remove-bucket remove_bucket
