# Terraform's state in S3, locked by a lock file: a conditional PUT that only one run wins.
. "$S3_SCRIPTS/steps.sh"
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_REGION=$S3_REGION
export AWS_MAX_ATTEMPTS=1 CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
mkdir one two
cat >one/main.tf <<TF
terraform {
  backend "s3" {
    bucket                      = "$S3_BUCKET"
    key                         = "a/state.tfstate"
    region                      = "$S3_REGION"
    endpoints                   = { s3 = "$S3_ENDPOINT" }
    use_path_style              = true
    use_lockfile                = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_requesting_account_id  = true
  }
}
variable "text" { default = "first" }
variable "wait" { default = "true" }
resource "terraform_data" "kept" { input = var.text }
resource "terraform_data" "slow" {
  triggers_replace = [var.text]
  provisioner "local-exec" { command = var.wait }
}
output "text" { value = terraform_data.kept.output }
TF
cp one/main.tf two/main.tf
terraform() { must "$S3_PROGRAM" "-chdir=$1" "${@:2}" -no-color; }
apply() { terraform "$1" apply -auto-approve -input=false "${@:2}"; }
aws() { "$S3_AWS" --endpoint-url "$S3_ENDPOINT" "$@"; }
content() { aws s3 cp "s3://$S3_BUCKET/$1" -; }
exists() { aws s3api head-object --bucket "$S3_BUCKET" --key "$1"; }
missing() { contains 404 "$(exists "$1" 2>&1)"; }

init() {
  must aws s3api create-bucket --bucket "$S3_BUCKET"
  terraform one init -input=false
  terraform two init -input=false
}
first() {
  apply one
  contains '"first"' "$(content a/state.tfstate)"
  missing a/state.tfstate.tflock
}
shared() {
  apply two -var text=second
  equal "$(terraform one output -raw text)" second
}
locked() {
  # The slow run holds the lock until the file is there, whatever the machine's speed.
  "$S3_PROGRAM" -chdir=one apply -auto-approve -input=false -var text=third \
    -var "wait=for i in \$(seq 600); do test -e ../go && break; sleep 0.1; done" >slow.log 2>&1 &
  local slow=$! tries=0
  until content a/state.tfstate.tflock >lock 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 20 ] || { touch go; cat slow.log; exit 1; }
  done
  contains '"Operation":"OperationTypeApply"' "$(cat lock)"
  "$S3_PROGRAM" -chdir=two apply -auto-approve -input=false -no-color >refused.log 2>&1
  local code=$?
  touch go
  wait $slow || { cat slow.log; exit 1; }
  equal $code 1
  contains 'Error acquiring the state lock' "$(cat refused.log)"
  contains 'PreconditionFailed' "$(cat refused.log)"
  missing a/state.tfstate.tflock
  equal "$(terraform two output -raw text)" third
}
unlock() {
  local id=4f1c2d0e-0000-4000-8000-000000000001
  echo "{\"ID\":\"$id\",\"Operation\":\"left\"}" >left
  must aws s3api put-object --bucket "$S3_BUCKET" --key a/state.tfstate.tflock --if-none-match '*' --body left
  terraform one force-unlock -force "$id"
  missing a/state.tfstate.tflock
}
workspaces() {
  terraform one workspace new other
  apply one
  must exists env:/other/a/state.tfstate
  contains other "$(terraform two workspace list)"
  apply one -destroy
  terraform one workspace select default
  terraform one workspace delete other
  missing env:/other/a/state.tfstate
}

step init init
step apply first
step shared-state shared
step lock-refuses locked
step force-unlock unlock
step workspaces workspaces
