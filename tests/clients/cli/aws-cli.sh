# The steps of every client, with the AWS command line.
. "$S3_SCRIPTS/steps.sh"
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_DEFAULT_REGION=$S3_REGION
export AWS_CONFIG_FILE=$S3_WORK/aws-config AWS_SHARED_CREDENTIALS_FILE=$S3_WORK/aws-credentials
export AWS_MAX_ATTEMPTS=1 AWS_PAGER=
printf '[default]\ns3 =\n  multipart_threshold = 5MB\n  multipart_chunksize = 5MB\n  addressing_style = path\n' >aws-config
aws() { must "$S3_PROGRAM" --endpoint-url "$S3_ENDPOINT" "$@"; }
url=s3://$S3_BUCKET

make_bucket() {
  aws s3 mb "$url"
  contains "$S3_BUCKET" "$(aws s3 ls)"
}
put_small() {
  aws s3 cp --no-progress --content-type text/plain --metadata color=green small.bin "$url/small"
}
get_small() {
  aws s3 cp --no-progress "$url/small" got
  same got small.bin
  equal "$(aws s3api head-object --bucket "$S3_BUCKET" --key small --query Metadata.color --output text)" green
  aws s3api get-object --bucket "$S3_BUCKET" --key small --range bytes=10-19 ranged
  equal "$(wc -c <ranged)" 10
}
put_multipart() { aws s3 cp --no-progress large.bin "$url/large"; }
get_multipart() {
  aws s3 cp --no-progress "$url/large" got
  same got large.bin
  equal "$(aws s3api get-object-attributes --bucket "$S3_BUCKET" --key large --object-attributes ObjectParts --query ObjectParts.TotalPartsCount --output text)" 3
}
list_1000() {
  aws s3 sync --no-progress --only-show-errors many "$url/many/"
  equal "$(aws s3 ls --recursive "$url/many/" | wc -l)" 1005
  equal "$(aws s3api list-objects --bucket "$S3_BUCKET" --prefix many/ --page-size 100 --query 'Contents[].Key' --output text | wc -w)" 1005
}
copy() {
  aws s3 cp --no-progress "$url/small" "$url/copied ü"
  aws s3 cp --no-progress "$url/large" "$url/copied large"
  aws s3 cp --no-progress "$url/copied large" got
  same got large.bin
}
versions() {
  local bucket=$S3_BUCKET-v first id
  aws s3 mb "s3://$bucket"
  aws s3api put-bucket-versioning --bucket "$bucket" --versioning-configuration Status=Enabled
  first=$(aws s3api put-object --bucket "$bucket" --key k --body small.bin --query VersionId --output text)
  aws s3api put-object --bucket "$bucket" --key k --body many/0000
  aws s3 rm "s3://$bucket/k"
  aws s3api get-object --bucket "$bucket" --key k --version-id "$first" got
  same got small.bin
  equal "$(aws s3api list-object-versions --bucket "$bucket" --query '[length(Versions),length(DeleteMarkers)]' --output text | tr '\t' ' ')" "2 1"
  for id in $(aws s3api list-object-versions --bucket "$bucket" --query '[Versions,DeleteMarkers][].VersionId' --output text); do
    aws s3api delete-object --bucket "$bucket" --key k --version-id "$id"
  done
  aws s3 rb "s3://$bucket"
}
presigned() {
  must curl -fsS -o got "$(aws s3 presign "$url/small" --expires-in 300)"
  same got small.bin
}
delete() {
  aws s3 rm "$url/small"
  if "$S3_PROGRAM" --endpoint-url "$S3_ENDPOINT" s3api head-object --bucket "$S3_BUCKET" --key small; then exit 1; fi
  aws s3 rm --only-show-errors --recursive "$url"
  equal "$("$S3_PROGRAM" --endpoint-url "$S3_ENDPOINT" s3 ls --recursive "$url" | wc -l)" 0
}
remove_bucket() { aws s3 rb "$url"; }

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
