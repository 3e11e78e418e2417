#!/bin/bash
# Makes the one node a replica set, which transactions need, and waits until it takes writes.
set -euo pipefail

mongosh --quiet --host mongo --username mshub --password "$MONGO_PASSWORD" --authenticationDatabase admin --eval '
  try { rs.status() } catch (e) {
    if (e.codeName !== "NotYetInitialized") throw e;
    rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
  }
  while (!db.hello().isWritablePrimary) sleep(200);
'
