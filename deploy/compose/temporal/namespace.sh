#!/bin/sh
# Creates the namespace of the product and what its runs can be searched by; harmless when they are there.
# The same names as in internal/temporal, which does it for `mshub up`; `make verify` compares the two.
set -eu

namespace=mshub
# Histories serve the worker, not the product, which keeps runs and results in PostgreSQL.
retention=720h

temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$namespace" --retention "$retention"

known=$(temporal operator search-attribute list --namespace "$namespace")
for attribute in MshubProcess=Keyword MshubOrganisation=Keyword MshubRequester=Keyword MshubStep=Keyword MshubWaiting=Bool MshubPercent=Int; do
    name=${attribute%=*}
    case $known in
    *"$name"*) ;;
    *) temporal operator search-attribute create --namespace "$namespace" --name "$name" --type "${attribute#*=}" ;;
    esac
done
