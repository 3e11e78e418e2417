#!/usr/bin/env bash
# validate.sh CACHE: `terraform validate` of every environment. Where the provider's registry cannot be
# reached, a stand-in (tools/tfaws) serves the schema of hashicorp/aws 6.25.0 for the resources in use. It
# works on a copy: no lock file and no .terraform is left in the checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${1:?where downloads and builds are kept}
package=@cdktf/provider-aws@21.22.1
schema=$cache/tfaws/schema
mirror=$cache/tfaws/mirror/registry.terraform.io/hashicorp/aws/6.25.0/$(go env GOOS)_$(go env GOARCH)
mkdir -p "$schema" "$mirror"

(cd tools/tfaws && nice go build -o "$mirror/terraform-provider-aws_v6.25.0" .)

# aws_db_instance lies in lib/db-instance, the data source aws_region in lib/data-aws-region.
folders=$(cat deploy/terraform/*/*/*.tf |
    sed -nE 's/^resource "aws_([a-z0-9_]+)".*/\1/p; s/^data "(aws_[a-z0-9_]+)".*/data-\1/p' | tr _ - | sort -u)
missing=()
for folder in $folders; do
    [[ -d $schema/$folder ]] || missing+=("package/lib/$folder")
done
if ((${#missing[@]})); then
    archive=$cache/tfaws/provider.tgz
    [[ -f $archive ]] || (cd "$cache/tfaws" && mv "$(npm pack --silent "$package")" provider.tgz)
    tar -xzf "$archive" -C "$schema" --strip-components=2 "${missing[@]}"
fi

cat >"$cache/tfaws/terraform.rc" <<HCL
provider_installation {
  filesystem_mirror {
    path = "$cache/tfaws/mirror"
  }
}
HCL
export TF_CLI_CONFIG_FILE=$cache/tfaws/terraform.rc TFAWS_SCHEMA=$schema CHECKPOINT_DISABLE=1

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r deploy/terraform/modules deploy/terraform/environments "$copy/"
for environment in "$copy"/environments/*/; do
    basename "$environment"
    terraform -chdir="$environment" init -backend=false -input=false -no-color
    terraform -chdir="$environment" validate -no-color
done
