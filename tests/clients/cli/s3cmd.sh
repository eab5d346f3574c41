# The steps of every client, with s3cmd; it cannot list versions, so that step only switches them.
. "$S3_SCRIPTS/steps.sh"
host=${S3_ENDPOINT#http://}
cat >s3cfg <<EOF
[default]
access_key = $S3_ACCESS_KEY
secret_key = $S3_SECRET_KEY
bucket_location = $S3_REGION
host_base = $host
host_bucket = $host
use_https = False
multipart_chunk_size_mb = 5
max_retries = 1
EOF
s3cmd() { must "$S3_PROGRAM" -c s3cfg --no-progress "$@"; }
url=s3://$S3_BUCKET

make_bucket() {
  s3cmd mb "$url"
  contains "$url" "$(s3cmd ls)"
}
put_small() { s3cmd put --add-header=x-amz-meta-color:green small.bin "$url/small"; }
get_small() {
  s3cmd get --force "$url/small" got
  same got small.bin
  contains 'x-amz-meta-color: *green' "$(s3cmd info "$url/small")"
}
put_multipart() { s3cmd put large.bin "$url/large"; }
get_multipart() {
  s3cmd get --force "$url/large" got
  same got large.bin
}
list_1000() {
  s3cmd put -q --recursive many "$url/"
  equal "$(s3cmd ls --recursive "$url/many/" | wc -l)" 1005
}
copy() {
  s3cmd cp "$url/large" "$url/copied ü"
  s3cmd mv "$url/copied ü" "$url/moved"
  s3cmd get --force "$url/moved" got
  same got large.bin
}
versions() {
  s3cmd mb "$url-v"
  s3cmd setversioning "$url-v" enable
  s3cmd info "$url-v"
  s3cmd rb "$url-v"
}
presigned() {
  must curl -fsS -o got "$(s3cmd signurl "$url/small" +300)"
  same got small.bin
}
delete() {
  s3cmd del "$url/small"
  s3cmd del -q --recursive --force "$url"
  equal "$(s3cmd ls --recursive "$url" | wc -l)" 0
}
remove_bucket() { s3cmd rb "$url"; }

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
