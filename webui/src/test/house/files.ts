import { File_State, FilesService } from "@/gen/services/files/v1/files_pb";
import { ago, uuid } from "../factories";
import type { Serve } from "./serve";

// Two files that are there; whatever is uploaded becomes the first.
export function files(serve: Serve) {
  const stored = {
    name: "files/0197a000-0000-7000-8000-00000000f11e",
    fileName: "flights.csv.gz",
    size: 8_200_150n,
    state: File_State.READY,
    createTime: ago(500),
  };
  serve(FilesService, {
    listFiles: () => ({
      files: [stored, { ...stored, name: `files/${uuid()}`, fileName: "planes.csv", size: 247_198n, createTime: ago(86_400) }],
    }),
    createUpload: ({ fileName, size }) => ({
      file: { ...stored, fileName, size },
      url: "/files/blob?signed",
      headers: { "Content-Type": "application/gzip" },
    }),
    completeUpload: () => stored,
    getFile: ({ name }) => ({ ...stored, name }),
    createDownload: () => ({ url: "/files/blob?download" }),
  });
}
