// Writes .br and .gz beside the built assets, so that the server never compresses the same file twice (see embed.go).
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const worth = /\.(js|css|svg)$/;
const assets = new URL("../dist/assets/", import.meta.url).pathname;
for (const name of readdirSync(assets)) {
  const path = join(assets, name);
  if (!worth.test(name) || statSync(path).size < 1024) continue;
  const content = readFileSync(path);
  // Quality 11, the default, takes ten times as long for a twentieth less.
  writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}
// Keeps the folder in the repository, so that `go build` works before the first `npm run build`.
writeFileSync(new URL("../dist/.keep", import.meta.url), "");
