# A backup, changed and backed up again, checked, restored, forgotten, pruned: what restic does with S3.
. "$S3_SCRIPTS/steps.sh"
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_DEFAULT_REGION=$S3_REGION
export RESTIC_REPOSITORY=s3:$S3_ENDPOINT/$S3_BUCKET RESTIC_PASSWORD=secret RESTIC_CACHE_DIR=$S3_WORK/restic-cache
restic() { must "$S3_PROGRAM" --quiet "$@"; }

backup() {
  restic backup --tag first many large.bin
  cp small.bin many/changed
  restic backup --tag second many large.bin
  equal "$("$S3_PROGRAM" snapshots --json | grep -o '"short_id"' | wc -l)" 2
}
restore() {
  restic restore latest --target restored
  same "restored/large.bin" large.bin
  must diff -r "restored/many" many
  rm many/changed
}
forget() {
  restic forget --tag first --keep-last 1
  restic forget --keep-last 1 --group-by host
  restic prune
  restic check --read-data
}

step init restic init
step backup backup
step check restic check --read-data
step restore restore
step forget-and-prune forget
