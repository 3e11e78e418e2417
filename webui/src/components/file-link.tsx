import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Anchor, Code, Group } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { failed } from "@/components/ui/toast";
import { FilesService } from "@/gen/services/files/v1/files_pb";
import { problemOf } from "@/lib/errors";
import { shortName } from "@/lib/names";
import { formatBytes } from "@/lib/number";
import { useViewer } from "@/lib/viewer";

// A stored file under the name that a person gave it; a click downloads it by a link made for this one time.
export function FileLink({ name }: { name: string }) {
  const { can } = useViewer();
  const { data, error } = useQuery(
    FilesService.method.getFile,
    { name },
    { enabled: can("files.read"), staleTime: Infinity, retry: false },
  );
  const download = useMutation(FilesService.method.createDownload);
  if (!data) return <Code title={error ? problemOf(error).sentence : name}>{shortName(name)}</Code>;
  return (
    <Group gap={6} wrap="nowrap" component="span" display="inline-flex">
      <Anchor
        component="button"
        type="button"
        inherit
        title={name}
        disabled={download.isPending}
        aria-label={`Download ${data.fileName}, ${formatBytes(data.size)}`}
        onClick={() => download.mutate({ name }, { onSuccess: ({ url }) => location.assign(url), onError: failed })}
        style={{ display: "inline-flex", alignItems: "center", gap: 6, textAlign: "start", wordBreak: "break-all" }}
      >
        <IconDownload size={15} aria-hidden style={{ flexShrink: 0 }} />
        {data.fileName}, {formatBytes(data.size)}
      </Anchor>
    </Group>
  );
}
