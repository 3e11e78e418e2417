#!/bin/sh
# Creates the namespace of the product; harmless when it is there.
set -eu

namespace=mshub
# Histories serve the worker, not the product, which keeps runs and results in PostgreSQL.
retention=720h

temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$namespace" --retention "$retention"
