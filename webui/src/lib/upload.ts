import { createClient, type Transport } from "@connectrpc/connect";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { FilesService, type File as StoredFile } from "@/gen/services/files/v1/files_pb";

export interface UploadProgress {
  // hashing: reading the file here; sending: bytes under way; checking: the server reads what arrived.
  phase: "hashing" | "sending" | "checking";
  // 0 to 1, within the phase.
  part: number;
}

// Brings a file of this computer into the house: announce its size and hash, send the bytes to the signed link,
// have them checked. Never holds the whole file in memory.
export async function uploadFile(
  transport: Transport,
  file: File,
  onProgress: (progress: UploadProgress) => void,
  signal: AbortSignal,
): Promise<StoredFile> {
  const files = createClient(FilesService, transport);
  const hash = await hashOf(file, (part) => onProgress({ phase: "hashing", part }), signal);
  const upload = await files.createUpload(
    { fileName: file.name, size: BigInt(file.size), sha256: hash, contentType: file.type },
    { signal },
  );
  await send(upload.url, upload.headers, file, (part) => onProgress({ phase: "sending", part }), signal);
  onProgress({ phase: "checking", part: 0 });
  return files.completeUpload({ name: upload.file?.name ?? "" }, { signal });
}

export async function hashOf(file: Blob, onProgress: (part: number) => void, signal: AbortSignal): Promise<string> {
  const hash = sha256.create();
  const reader = file.stream().getReader();
  let read = 0;
  for (;;) {
    signal.throwIfAborted();
    const { done, value } = await reader.read();
    if (done) return bytesToHex(hash.digest());
    hash.update(value);
    read += value.length;
    onProgress(file.size > 0 ? read / file.size : 1);
  }
}

// fetch can't tell how much has been sent; XMLHttpRequest can.
function send(
  url: string,
  headers: Record<string, string>,
  body: Blob,
  onProgress: (part: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 1);
    request.onload = () => {
      if (request.status < 300) resolve();
      else reject(new Error(`The file store refused the file (${request.status}). ${request.responseText.slice(0, 200)}`));
    };
    request.onerror = () => reject(new Error("The connection broke while the file was being sent. Try again."));
    request.onabort = () => reject(new DOMException("The upload was stopped.", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}
