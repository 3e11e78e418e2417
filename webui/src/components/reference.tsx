import { Anchor, Code } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Actor } from "@/components/actor";
import { FileLink } from "@/components/file-link";
import { idOf, shortId, shortName } from "@/lib/names";

// A resource name as a link to its page, where there is one; a file is downloaded; an address opens beside the console. Other
// text stays as it is.
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
  if (/^schedules\/[a-z][a-z0-9-]*$/.test(value))
    return (
      <Anchor inherit renderRoot={(props) => <Link to="/schedules/$scheduleId" params={{ scheduleId: id }} {...props} />}>
        {id}
      </Anchor>
    );
  if (/^(users|clients)\/[\w-]+$/.test(value)) return <Actor name={value} />;
  if (/^files\/[0-9a-f-]{36}$/.test(value)) return <FileLink name={value} />;
  if (/^memberships\/[0-9a-f-]{36}$/.test(value)) return <Code title={value}>{shortName(value)}</Code>;
  if (/^https?:\/\/\S+$/.test(value))
    return (
      <Anchor href={value} rel="noreferrer" target="_blank" inherit>
        {value}
      </Anchor>
    );
  return <>{value}</>;
}
