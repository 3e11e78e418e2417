import { useTransport } from "@connectrpc/connect-query";
import { useRef, useState } from "react";
import type { File as StoredFile } from "@/gen/services/files/v1/files_pb";
import { type UploadProgress, uploadFile } from "@/lib/upload";

// An upload in a component: how far it is, what came of it, and a way to stop it.
export function useUpload() {
  const transport = useTransport();
  const abort = useRef<AbortController>(undefined);
  const [progress, setProgress] = useState<UploadProgress>();
  const [error, setError] = useState<unknown>();
  const start = async (file: File): Promise<StoredFile | undefined> => {
    abort.current?.abort();
    const controller = (abort.current = new AbortController());
    setError(undefined);
    setProgress({ phase: "hashing", part: 0 });
    try {
      return await uploadFile(transport, file, setProgress, controller.signal);
    } catch (fault) {
      if (!controller.signal.aborted) setError(fault);
      return undefined;
    } finally {
      setProgress(undefined);
    }
  };
  return { start, stop: () => abort.current?.abort(), progress, error };
}
