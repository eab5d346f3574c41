# The acceptance test of Thanos' object store, and one of its blocks written as a stream.
. "$S3_SCRIPTS/steps.sh"
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_DEFAULT_REGION=$S3_REGION
aws() { must "$S3_AWS" --endpoint-url "$S3_ENDPOINT" "$@"; }
passes() {
  local told
  told=$("$S3_PROGRAM" -test.v -test.timeout 2m -test.run "^$1\$" 2>&1) || { echo "$told"; exit 1; }
  contains "^--- PASS: $1 " "$told"
}
clean_up() {
  aws s3 rm --quiet --recursive "s3://$S3_BUCKET"
  aws s3 rb "s3://$S3_BUCKET"
}

step make-bucket aws s3 mb "s3://$S3_BUCKET"
step acceptance passes TestAcceptance
step block passes TestBlockInParts
step clean-up clean_up
