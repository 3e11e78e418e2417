import type { JsonObject } from "@bufbuild/protobuf";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

// The key of a start: one visit to a form with one set of values is one run, however often it is sent.
export const startKey = (visit: string, input: JsonObject): string =>
  `${visit}-${bytesToHex(sha256(utf8ToBytes(JSON.stringify(input)))).slice(0, 32)}`;
