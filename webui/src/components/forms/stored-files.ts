import { createConnectQueryKey, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type File as StoredFile, File_State, FilesService } from "@/gen/services/files/v1/files_pb";
import { formatBytes } from "@/lib/number";
import { date, formatRelative } from "@/lib/time";
import { useViewer } from "@/lib/viewer";
import { useUpload } from "./use-upload";

const { listFiles } = FilesService.method;

// Files to choose from, newest first, and the way to add one of this computer.
export function useStoredFiles() {
  const client = useQueryClient();
  const upload = useUpload();
  const [picked, setPicked] = useState("");
  const { can } = useViewer();
  const { data } = useQuery(listFiles, { pageSize: 100 }, { enabled: can("files.read") });
  // What was added here has a name also for those who may upload files and not list them.
  const [added, setAdded] = useState<StoredFile[]>([]);
  const files = data?.files ?? [];
  return {
    choices: [...added.filter(({ name }) => !files.some((file) => file.name === name)), ...files]
      .filter(({ state }) => state === File_State.READY)
      .map(({ name, fileName, size, createTime }) => ({
        value: name,
        label: `${fileName} · ${formatBytes(size)} · ${formatRelative(date(createTime) ?? new Date(), new Date())}`,
      })),
    upload,
    // What is being uploaded, as the person calls it.
    picked,
    // Name of the stored file; undefined if it was stopped or failed, as `upload.error` says.
    add: async (file: File): Promise<string | undefined> => {
      setPicked(file.name);
      const stored = await upload.start(file);
      if (stored) {
        setAdded((before) => [stored, ...before]);
        await client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listFiles, cardinality: "finite" }) });
      }
      return stored?.name;
    },
  };
}
