import { useQuery } from "@connectrpc/connect-query";
import { Anchor, Code } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Actor } from "@/components/actor";
import { FilesService } from "@/gen/services/files/v1/files_pb";
import { idOf, shortId, shortName } from "@/lib/names";
import { formatBytes } from "@/lib/number";
import { useViewer } from "@/lib/viewer";

// A resource name as a link to its page, where there is one. Other text stays as it is.
export function Reference({ value }: { value: string }) {
  const id = idOf(value);
  if (/^datasets\/[a-z][\w-]*$/.test(value))
    return (
      <Anchor inherit renderRoot={(props) => <Link to="/datasets/$datasetId" params={{ datasetId: id }} {...props} />}>
        {id}
      </Anchor>
    );
  if (/^runs\/[0-9a-f-]{36}$/.test(value))
    return (
      <Anchor inherit renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: id }} {...props} />}>
        …{shortId(value)}
      </Anchor>
    );
  if (/^(users|clients)\/[\w-]+$/.test(value)) return <Actor name={value} />;
  if (/^files\/[0-9a-f-]{36}$/.test(value)) return <FileName name={value} />;
  if (/^memberships\/[0-9a-f-]{36}$/.test(value)) return <Code title={value}>{shortName(value)}</Code>;
  return <>{value}</>;
}

// What a person called the file, if it is still there and may be seen.
function FileName({ name }: { name: string }) {
  const { can } = useViewer();
  const { data } = useQuery(FilesService.method.getFile, { name }, { enabled: can("files.read"), staleTime: Infinity });
  return data ? (
    <span title={name}>{`${data.fileName}, ${formatBytes(data.size)}`}</span>
  ) : (
    <Code title={name}>{shortName(name)}</Code>
  );
}
