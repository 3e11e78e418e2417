import { Anchor, Code } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Actor } from "@/components/actor";
import { FileLink } from "@/components/file-link";
import { StructFacts } from "@/components/ui/values";
import { idOf, shortId, shortName } from "@/lib/names";

// A resource name as a link to its page, where there is one; a file is downloaded. Other text stays as it is.
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
  return <>{value}</>;
}

// A Struct as facts, with the resources that it names as links.
export function ReferenceFacts({ value }: { value: Parameters<typeof StructFacts>[0]["value"] }) {
  return <StructFacts value={value} render={(_, entry) => referencesIn(entry)} />;
}

function referencesIn(entry: unknown) {
  if (typeof entry === "string" && entry !== "") return <Reference value={entry} />;
  if (!Array.isArray(entry) || entry.length === 0) return undefined;
  const texts = entry.filter((one) => typeof one === "string");
  if (texts.length < entry.length) return undefined;
  return texts.map((text) => (
    <div key={text}>
      <Reference value={text} />
    </div>
  ));
}
