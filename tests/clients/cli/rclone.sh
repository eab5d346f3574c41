# The steps of every client, with rclone.
. "$S3_SCRIPTS/steps.sh"
# Debian's rclone refuses to start with this variable of the AWS SDKs.
unset AWS_CA_BUNDLE
cat >rclone.conf <<EOF
[t]
type = s3
provider = Minio
endpoint = $S3_ENDPOINT
access_key_id = $S3_ACCESS_KEY
secret_access_key = $S3_SECRET_KEY
region = $S3_REGION
chunk_size = 5Mi
upload_cutoff = 5Mi
[secret]
type = crypt
remote = t:$S3_BUCKET/crypt
password = $("$S3_PROGRAM" obscure secret)
EOF
rclone() { must "$S3_PROGRAM" --config rclone.conf --retries 1 --low-level-retries 1 "$@"; }
url=t:$S3_BUCKET

make_bucket() {
  rclone mkdir "$url"
  contains "$S3_BUCKET" "$(rclone lsd t:)"
}
put_small() { rclone copyto --header-upload 'x-amz-meta-color: green' small.bin "$url/small"; }
get_small() {
  rclone copyto "$url/small" got
  same got small.bin
  equal "$(rclone cat --offset 10 --count 10 "$url/small" | wc -c)" 10
}
put_multipart() { rclone copyto large.bin "$url/large"; }
get_multipart() {
  rclone copyto "$url/large" got
  same got large.bin
}
list_1000() {
  rclone copy --transfers 8 many "$url/many"
  equal "$(rclone lsf "$url/many" | wc -l)" 1005
  rclone check many "$url/many"
}
copy() {
  rclone copyto "$url/large" "$url/copied ü"
  rclone moveto "$url/copied ü" "$url/moved"
  rclone copyto "$url/moved" got
  same got large.bin
}
versions() {
  rclone mkdir "$url-v"
  rclone backend versioning "$url-v" Enabled
  rclone copyto small.bin "$url-v/k"
  rclone copyto many/0000 "$url-v/k"
  equal "$(rclone lsf --s3-versions "$url-v" | wc -l)" 2
  rclone deletefile "$url-v/k"
  equal "$(rclone lsf "$url-v" | wc -l)" 0
  rclone backend cleanup-hidden "$url-v"
  rclone rmdir "$url-v"
}
presigned() {
  must curl -fsS -o got "$(rclone link --expire 5m "$url/small")"
  same got small.bin
}
sync() {
  mkdir tree
  cp many/000? small.bin tree
  rclone sync tree "$url/tree"
  rm tree/0000
  mv tree/0001 tree/renamed
  echo changed >tree/0002
  rclone sync --track-renames --checksum tree "$url/tree"
  rclone check --download tree "$url/tree"
  equal "$(rclone lsf "$url/tree" | wc -l)" 10
}
crypt() {
  cp large.bin tree
  rclone sync tree secret:tree
  rclone cryptcheck tree secret:tree
  equal "$(rclone lsf -R "$url/crypt" | grep -c -e small -e tree)" 0
  rclone cat --offset 1000000 --count 70000 secret:tree/large.bin >got
  must cmp got <(tail -c +1000001 large.bin | head -c 70000)
  rm tree/large.bin
  rclone sync tree secret:tree
  rclone sync secret:tree back
  must diff -r tree back
}
delete() {
  rclone deletefile "$url/small"
  rclone delete "$url"
  equal "$(rclone lsf -R "$url" | wc -l)" 0
}
remove_bucket() { rclone rmdir "$url"; }

step make-bucket make_bucket
step put-small put_small
step get-small get_small
step put-multipart put_multipart
step get-multipart get_multipart
step list-1000 list_1000
step copy copy
step versions versions
step presigned presigned
step sync sync
step crypt crypt
step delete delete
step remove-bucket remove_bucket
